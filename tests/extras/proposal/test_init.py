"""A whole proposal, for logs under other names, in other types and other folders."""

import tomllib
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
    text = (tmp_path / "their-ads" / "preset.toml").read_text()
    assert text.count("[ids]") == 1  # the template's example is no second one
    preset = tomllib.loads(text)
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
    assert features["interests"]["kind"] == "multivalued"
    assert features["price"]["domains"] == ["shopping"]
    assert features["ad_id"]["type"] == "UUID"
    assert load_preset(str(tmp_path / "their-ads" / "preset.toml")).data.min_domain_rows == 100


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


def _write(
    source: Path, logs: Path, days: int, requests: str, ads: str, candidates: str, suffix: str
) -> Path:
    """So many days of logs by queries on the foreign ones' first day, `t`, with {days} for the day's number."""
    changed = {
        "requests": ("queries/2026-01-05.parquet", requests),
        "ads": ("creatives/2026/01/05/part-0.parquet", ads),
        "candidates": ("scored/dt=20260105/part-0.parquet", candidates),
    }
    for table, (path, query) in changed.items():
        (logs / table).mkdir(parents=True)
        for number in range(days):
            with duckdb.connect() as connection:
                connection.read_parquet(str(source / path)).create_view("t")
                target = logs / table / f"2026-01-{5 + number:02}{suffix}"
                form = "csv, header" if suffix == ".csv" else "parquet"
                connection.execute(f"copy ({query.format(days=number)}) to '{target}' (format {form})")
    return logs


def _errors(logs: Path, folder: Path) -> list[Part]:
    create_project(folder, None, propose(logs))
    found = check_project(str(folder / "preset.toml")).findings
    return [finding.part for finding in found if finding.level is Level.ERROR]


def test_values_and_names_that_a_preset_cannot_have_get_others(foreign_logs: Path, tmp_path: Path) -> None:
    """And where no column is a product, all ads are one; times in seconds and nulls in lists are understood."""
    requests = """
        select * exclude (page, country, served_at) replace (list_append(interests, null) as interests),
            epoch(served_at + interval {days} day)::bigint as asked, 'Home ' || page as "Page",
            country as "order", hour as surface
        from t
    """
    logs = _write(
        foreign_logs, tmp_path / 'team "a"', 8, requests, "select * exclude (kind) from t",
        "select * exclude (shown, lead), cast(shown as integer) as shown, p_click > 0.1 as by_exploration, "
        "lead, 5.5 as margin from t", ".parquet",
    )  # fmt: skip
    assert _errors(logs, tmp_path / "their-ads") == []
    proposal, preset = propose(logs), load_preset(str(tmp_path / "their-ads" / "preset.toml"))
    assert "make_timestamp(asked * 1000000) as ts" in proposal.statements["requests"]
    assert "what was drawn at random is by_exploration" in proposal.understood
    assert proposal.understood[-1] == "left out: margin (no score, no action of a score)"
    assert preset.domains.surfaces == ("home_feed", "home_find")
    assert preset.domains.products == ("any_ad",)
    assert {"order", "surface_2", "interests"} <= {feature.name for feature in preset.features}
    assert (preset.window_days, preset.min_window_days) == (7, 7)


def test_text_in_csv_files_is_text_also_on_a_day_of_digits(foreign_logs: Path, tmp_path: Path) -> None:
    """The newest day's values are numbers; a task of some products keeps them."""
    logs = _write(
        foreign_logs, tmp_path / "logs", 8,
        "select * exclude (interests, taste, served_at, member), served_at + interval {days} day as served_at, "
        "if({days} = 7, '', 'x') || hour as code, member from t",
        "select * exclude (embedding), if({days} = 7, '', 'x') || topic as seller from t",
        "select t.* replace (if(kind = 'standard', p_lead, null) as p_lead) from t join "
        f"'{foreign_logs}/creatives/2026/01/05/part-0.parquet' as ads on t.creative = ads.id", ".csv",
    )  # fmt: skip
    assert _errors(logs, tmp_path / "their-ads") == []
    kinds = {
        one.name: one.column_type for one in load_preset(str(tmp_path / "their-ads/preset.toml")).features
    }
    assert {name: kinds[name] for name in ("code", "seller")} == {"code": "VARCHAR", "seller": "VARCHAR"}


@pytest.mark.parametrize(
    ("table", "query", "words"),
    [
        ("ads", "select * replace (uuid() as id) from t", "ads: no column is the ad's id: .*; id has 0% of candidates"),
        ("requests", "select * exclude (served_at) from t", "requests: no column is the request's time"),
        ("candidates", "select * exclude (p_click, p_lead) from t", "candidates: no column has numbers between"),
        ("candidates", "select * exclude (click, lead, shown) from t", "is the action of a score .p_click, p_lead."),
    ],
)  # fmt: skip
def test_what_the_logs_lack_is_named(
    foreign_logs: Path, tmp_path: Path, table: str, query: str, words: str
) -> None:
    queries = dict.fromkeys(("requests", "ads", "candidates"), "select * from t") | {table: query}
    with pytest.raises(LogsError, match=words):
        propose(_write(foreign_logs, tmp_path / "logs", 1, suffix=".parquet", **queries))


def test_an_empty_text_is_no_user(foreign_logs: Path, proposal: Proposal, tmp_path: Path) -> None:
    written = str(tmp_path / "queries.parquet")
    with duckdb.connect() as connection:
        connection.read_parquet(str(foreign_logs / "queries/2026-01-05.parquet")).create_view("t")
        connection.sql("select * replace ('' as member) from t").write_parquet(written)
        users = f"select count(user_id) = 0 and count(*) > 0 from ({proposal.statements['requests']})"
        assert connection.execute(users, {"paths": [written]}).fetchall() == [(True,)]


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
