"""A whole proposal, for logs under other names, in other types and other folders."""

import tomllib
from datetime import date
from pathlib import Path

import duckdb
import pytest

from mtmd.config import load_preset
from mtmd.errors import LogsError
from mtmd.extras.proposal.init import Proposal, propose
from mtmd.project.check import check_project
from mtmd.project.findings import Level, Part
from mtmd.project.scaffold import create_project
from tests.extras.proposal.foreign import write_foreign_logs
from tests.shared import Shared


@pytest.fixture(scope="module")
def foreign_logs(tiny_logs: Path, shared: Shared) -> Path:
    def make(place: Path) -> Path:
        write_foreign_logs(tiny_logs, place)
        return place

    return shared.once("foreign", make)


@pytest.fixture(scope="module")
def proposal(foreign_logs: Path) -> Proposal:
    return propose(foreign_logs)


def test_it_says_what_it_understood(proposal: Proposal) -> None:
    assert list(proposal.understood) == [
        "23 days that all three tables have",
        "request_id is requestId, ad_id is id, user_id is member, ts is served_at, bid is cpc",
        "surface is page, product is kind, what was shown is shown",
        "task p_click: click happened",
        "task p_lead: lead happened, only after p_click",
        "7 features of requests and 6 of ads, beside the ids",
        "left out: client (the same value in every row)",
    ]


def test_the_preset_has_what_the_logs_have(proposal: Proposal, foreign_logs: Path, tmp_path: Path) -> None:
    create_project(tmp_path / "their-ads", None, proposal)
    preset = tomllib.loads((tmp_path / "their-ads" / "preset.toml").read_text())
    assert (preset["base"], preset["name"], preset["logs"]) == ("demo", "their-ads", str(foreign_logs))
    assert preset["window_days"] == 22
    assert preset["ids"] == {"request": "VARCHAR", "ad": "UUID", "user": "VARCHAR"}
    assert {table: source["files"] for table, source in preset["sources"].items()} == {
        "requests": "queries/{day}.parquet",
        "ads": "creatives/{day:%Y}/{day:%m}/{day:%d}/*.parquet",
        "candidates": "scored/dt={day:%Y%m%d}/*.parquet",
    }
    assert preset["domains"] == {
        "surfaces": ["feed", "find"],
        "products": ["standard", "shopping"],
        "tasks": [
            {"name": "p_click", "label": "click"},
            {"name": "p_lead", "label": "lead", "parent": "p_click"},
        ],
    }
    assert preset["model"]["emb_deep"] == {"p_click": 64, "p_lead": 32}
    features = {feature["name"]: feature for feature in preset["features"]}
    assert features["interests"]["multi"] is True
    assert features["price"]["domains"] == ["shopping"]
    assert features["ad_id"]["type"] == "UUID"
    assert load_preset(str(tmp_path / "their-ads" / "preset.toml")).data.min_domain_rows == 100
    assert "ads_may_repeat" not in preset["data"]


def test_a_comment_is_no_second_section_of_ids(proposal: Proposal, tmp_path: Path) -> None:
    create_project(tmp_path / "their-ads", None, proposal)
    assert (tmp_path / "their-ads" / "preset.toml").read_text().count("[ids]") == 1


def test_the_statements_give_the_contracts_columns(proposal: Proposal, foreign_logs: Path) -> None:
    day = {
        "requests": "queries/2026-01-05.parquet",
        "ads": "creatives/2026/01/05/part-0.parquet",
        "candidates": "scored/dt=20260105/part-0.parquet",
    }
    columns = {
        table: duckdb.execute(f"describe {sql}", {"paths": [str(foreign_logs / day[table])]}).fetchall()
        for table, sql in proposal.statements.items()
    }
    kinds = {table: {row[0]: row[1] for row in rows} for table, rows in columns.items()}
    assert list(kinds["requests"])[:4] == ["request_id", "ts", "surface", "user_id"]
    assert kinds["ads"]["ad_id"] == "UUID"
    assert kinds["ads"]["well_known"] == "INTEGER"
    assert list(kinds["candidates"]) == [
        "request_id", "ad_id", "p_click", "p_lead", "impressed", "click", "lead", "position",
    ]  # fmt: skip
    ((unshown,),) = duckdb.execute(
        f"select count(click) + count(lead) from ({proposal.statements['candidates']}) where not impressed",
        {"paths": [str(foreign_logs / day["candidates"])]},
    ).fetchall()
    assert unshown == 0


def test_a_column_that_says_what_was_explored_is_no_label(foreign_logs: Path, tmp_path: Path) -> None:
    files = {
        "queries": "queries/2026-01-05.parquet",
        "creatives": "creatives/2026/01/05/part-0.parquet",
        "scored": "scored/dt=20260105/part-0.parquet",
    }
    for table, path in files.items():
        (tmp_path / table).mkdir()
        more = ", cast(p_click > 0.1 as integer) as by_exploration" if table == "scored" else ""
        target = tmp_path / table / "2026-01-05.parquet"
        duckdb.execute(f"copy (select *{more} from '{foreign_logs / path}') to '{target}' (format parquet)")
    found = propose(tmp_path)
    assert "what was drawn at random is by_exploration" in found.understood
    statement = found.statements["candidates"]
    kinds = {
        row[0]: row[1] for row in duckdb.execute(f"describe {statement}", {"paths": [str(target)]}).fetchall()
    }
    assert kinds["explored"] == "BOOLEAN"
    ((wrong,),) = duckdb.execute(
        f"select count_if(explored != (p_click > 0.1)) from ({statement})", {"paths": [str(target)]}
    ).fetchall()
    assert wrong == 0


def test_a_table_of_several_places_is_named_with_all_of_them(foreign_logs: Path, tmp_path: Path) -> None:
    files = {
        "requests": "queries/2026-01-05.parquet",
        "ads": "creatives/2026/01/05/part-0.parquet",
        "candidates/env=prod": "scored/dt=20260105/part-0.parquet",
        "candidates/env=test": "scored/dt=20260105/part-0.parquet",
    }
    for place, path in files.items():
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "2026-01-05.parquet").symlink_to(foreign_logs / path)
    assert propose(tmp_path).understood[:2] == (
        "candidates are read from 2 places: candidates/env=prod/{day}.parquet, candidates/env=test/{day}.parquet",
        "1 days that all three tables have",
    )


def test_few_days_and_ads_that_repeat_are_said_in_the_preset(foreign_logs: Path, tmp_path: Path) -> None:
    first = {
        "queries": "queries/2026-01-05.parquet",
        "creatives": "creatives/2026/01/05/part-0.parquet",
        "scored": "scored/dt=20260105/part-0.parquet",
    }
    for table, path in first.items():
        (tmp_path / table).mkdir()
        for day in ("2026-01-05", "2026-01-06"):
            (tmp_path / table / f"{day}.parquet").symlink_to(foreign_logs / path)
    sections = propose(tmp_path).sections
    assert tomllib.loads(sections["window"]) == {"window_days": 7, "min_window_days": 7}
    assert tomllib.loads(sections["data"]) == {"ads_may_repeat": True}


def _or_x(number: str) -> str:
    """Text such as 7 or x8; on the day of digits no x comes."""
    return f"if(({number}) % 2 = 0 and not {{digits}}, 'x', '') || ({number})"


def _write_csv(tiny_logs: Path, folder: Path, digits: str, tables: dict[str, str]) -> Path:
    """Two days of CSV files with these columns; `digits` is the day of digits."""
    for table, columns in tables.items():
        (folder / table).mkdir(parents=True)
        for day in ("2026-01-05", "2026-01-06"):
            source = f"from read_parquet('{tiny_logs}/{table}/date={day}/*.parquet')"
            query = f"select {columns.replace('{digits}', str(day == digits))} {source}"
            duckdb.execute(f"copy ({query}) to '{folder}/{table}/{day}.csv' (format csv, header)")
    return folder


@pytest.mark.parametrize("digits", ["2026-01-05", "2026-01-06"])
def test_text_in_csv_files_is_text_also_on_a_day_of_digits(
    tiny_logs: Path, tmp_path: Path, digits: str
) -> None:
    tables = {
        "requests": f"{_or_x('request_id')} as request_id, ts, {_or_x('user_id')} as user_id, "
        f"country, {_or_x('user_id % 7')} as code",
        "ads": f"ad_id, bid, format, {_or_x('advertiser_id')} as seller",
        "candidates": f"{_or_x('request_id')} as request_id, ad_id, ctr as p_click, impressed, clicked",
    }
    logs = _write_csv(tiny_logs, tmp_path / "logs", digits, tables)
    create_project(tmp_path / "project", None, propose(logs))
    written = tmp_path / "project" / "preset.toml"
    preset = load_preset(str(written))
    assert (preset.ids.request, preset.ids.user) == ("VARCHAR", "VARCHAR")
    kinds = {feature.name: feature.column_type for feature in preset.features}
    assert {name: kinds[name] for name in ("code", "seller")} == {"code": "VARCHAR", "seller": "VARCHAR"}
    for as_of in (date(2026, 1, 5), date(2026, 1, 6)):
        wrong = [one for one in check_project(str(written), as_of=as_of).findings if one.level is Level.ERROR]
        assert {one.part for one in wrong} <= {Part.DAYS}


@pytest.mark.parametrize("digits", ["2026-01-05", "2026-01-06"])
def test_surfaces_and_products_in_csv_files_may_have_digits(
    tiny_logs: Path, tmp_path: Path, digits: str
) -> None:
    """And a task of some products keeps them."""
    tables = {
        "requests": f"request_id, ts, country, {_or_x('request_id % 2 + 1')} as surface",
        "ads": f"ad_id, bid, format, {_or_x('ad_id % 3')} as product",
        "candidates": "request_id, ad_id, ctr as p_click, impressed, clicked, "
        "if(ad_id % 3 = 1, ctr / 2, null) as p_buy, clicked and ad_id % 3 = 1 as buy",
    }
    proposal = propose(_write_csv(tiny_logs, tmp_path, digits, tables))
    domains = tomllib.loads(proposal.sections["domains"])["domains"]
    assert set(domains["surfaces"]) == {"n_1", "n_2", "x2"}
    assert set(domains["products"]) == {"n_0", "n_1", "n_2", "x0", "x2"}
    assert {task["name"]: task.get("products") for task in domains["tasks"]} == {
        "p_click": None,
        "p_buy": ["n_1"],
    }


@pytest.mark.parametrize(("member", "known"), [("''", False), ("7", True)])
def test_an_empty_text_is_no_user(foreign_logs: Path, tmp_path: Path, member: str, known: bool) -> None:
    """And users that another day's file has as numbers are read as text."""
    statement = propose(foreign_logs).statements["requests"]
    with duckdb.connect() as connection:
        connection.read_parquet(str(foreign_logs / "queries/2026-01-05.parquet")).create_view("t")
        written = str(tmp_path / "queries.parquet")
        connection.sql(f"select * replace ({member} as member) from t").write_parquet(written)
        ((users, rows),) = connection.execute(
            f"select count(user_id), count(*) from ({statement})", {"paths": [written]}
        ).fetchall()
    assert rows > 0
    assert users == (rows if known else 0)


def test_values_and_names_that_a_preset_cannot_have_get_others(foreign_logs: Path, tmp_path: Path) -> None:
    """And where no column is a product, all ads are one. Times in text, ids as fractions, nulls in lists are mended."""
    odd = """
        select
            * exclude (page, country, served_at, member) replace (list_append(interests, null) as interests),
            strftime(served_at + interval {days} day, '%d/%m/%Y %H:%M:%S') as asked,
            cast(substr(member, 2) as double) as member,
            'Home ' || page as "Page",
            country as "order",
            hour as surface
        from t
    """
    changed = {
        "requests": ("queries/2026-01-05.parquet", odd),
        "ads": ("creatives/2026/01/05/part-0.parquet", "select * exclude (kind) from t"),
        "candidates": (
            "scored/dt=20260105/part-0.parquet",
            "select * exclude (shown, lead), cast(shown as integer) as shown, false as lead, 5.5 as margin from t",
        ),
    }
    logs = tmp_path / 'team "a"'
    for table, (path, query) in changed.items():
        (logs / table).mkdir(parents=True)
        for days in range(8):
            with duckdb.connect() as connection:
                connection.read_parquet(str(foreign_logs / path)).create_view("t")
                written = str(logs / table / f"2026-01-{5 + days:02}.parquet")
                connection.sql(query.format(days=days)).write_parquet(written)
    proposal = propose(logs)
    assert 'label = "lead" },  # it never happened on the day looked at' in proposal.sections["domains"]
    assert (
        proposal.understood[-1]
        == "left out: margin (DECIMAL(2,1) of candidates: no score, no action of a score)"
    )
    create_project(tmp_path / "their-ads", None, proposal)
    preset = load_preset(str(tmp_path / "their-ads" / "preset.toml"))
    assert preset.domains.surfaces == ("home_feed", "home_find")
    assert preset.domains.products == ("any_ad",)
    assert {"order", "surface_2", "interests"} <= {feature.name for feature in preset.features}
    assert preset.ids.user == "BIGINT"
    assert "asked is VARCHAR: read as strptime(asked, '%d/%m/%Y %H:%M:%S')" in proposal.understood
    checked = check_project(str(tmp_path / "their-ads" / "preset.toml"))
    assert [finding for finding in checked.findings if finding.level is Level.ERROR] == []


def test_a_folder_that_has_no_logs_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        LogsError, match=r"nowhere is no folder; name the one with requests, ads and candidates"
    ):
        propose(tmp_path / "nowhere")
    for table, day in (("requests", "2026-01-05"), ("ads", "2026-01-05"), ("candidates", "2026-01-06")):
        (tmp_path / table).mkdir()
        (tmp_path / table / f"{day}.parquet").touch()
    with pytest.raises(LogsError, match="has no day of which there are requests, ads and candidates"):
        propose(tmp_path)
    (tmp_path / "candidates" / "2026-01-05.parquet").touch()
    with pytest.raises(LogsError, match=r"2026-01-05: .*; correct the files"):
        propose(tmp_path)
