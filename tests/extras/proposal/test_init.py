"""A whole proposal, for logs under other names, in other types and other folders."""

import tomllib
from pathlib import Path

import duckdb
import pytest

from mtmd.config import load_preset
from mtmd.errors import LogsError
from mtmd.extras.proposal.init import Proposal, propose
from mtmd.project.commands import create_project
from tests.extras.proposal.foreign import write_foreign_logs
from tests.shared import Shared

FIRST_DAY = {
    "requests": "queries/2026-01-05.parquet",
    "ads": "creatives/2026/01/05/part-0.parquet",
    "candidates": "scored/dt=20260105/part-0.parquet",
}


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
        "task p_click: click happened",
        "task p_lead: lead happened, only after p_click",
        "7 features of requests and 6 of ads, beside the ids",
        "left out: client (the same value in every row)",
    ]


def test_the_preset_has_what_the_logs_have(proposal: Proposal, foreign_logs: Path, tmp_path: Path) -> None:
    create_project(tmp_path / "their-ads", None, proposal.rewritten)
    text = (tmp_path / "their-ads" / "preset.toml").read_text()
    assert text.count("[ids]") == 1
    preset = tomllib.loads(text)
    assert (preset["base"], preset["name"], preset["logs"]) == ("demo", "their-ads", str(foreign_logs))
    assert preset["window_days"] == 22
    assert f"mtmd run --as-of {proposal.newest} " in (tmp_path / "their-ads" / "README.md").read_text()
    assert preset["ids"] == {"request": "VARCHAR", "ad": "VARCHAR", "user": "VARCHAR"}
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
    assert "type" not in features["ad_id"]
    assert load_preset(str(tmp_path / "their-ads" / "preset.toml")).data.min_domain_rows == 100


def _write(source: Path, logs: Path, days: int, **queries: str) -> Path:
    """So many days of logs by queries on the foreign ones' first day, `t`, with {days} for the day's number."""
    for table, path in FIRST_DAY.items():
        (logs / table).mkdir(parents=True)
        for number in range(days):
            with duckdb.connect() as connection:
                connection.read_parquet(str(source / path)).create_view("t")
                written = str(logs / table / f"2026-01-{5 + number:02}.parquet")
                connection.sql(queries.get(table, "from t").format(days=number)).write_parquet(written)
    return logs


def test_names_that_a_preset_cannot_have_get_others(foreign_logs: Path, tmp_path: Path) -> None:
    """Where no column is a product, all ads are one; times may be in seconds, and lists have nulls."""
    requests = """
        select * exclude (page, country, served_at) replace (list_append(interests, null) as interests),
            epoch(served_at + interval {days} day)::bigint as asked_at, 'Home ' || page as "Page",
            country as "order", hour as surface
        from t
    """
    scored = "select * exclude shown, cast(shown as integer) as shown, 5.5 as m from t"
    ads = "select * exclude kind from t"
    logs = _write(foreign_logs, tmp_path / 'team "a"', 8, requests=requests, ads=ads, candidates=scored)
    proposal = propose(logs)
    assert "make_timestamp(asked_at * 1000000) as ts" in proposal.statements["requests"]
    assert proposal.understood[-1] == "left out: m (no score, no action of a score)"
    create_project(tmp_path / "their-ads", None, proposal.rewritten)
    check = pytest.importorskip("mtmd.extras.check.check")
    assert check.check_project(str(tmp_path / "their-ads" / "preset.toml")).passed
    preset = load_preset(str(tmp_path / "their-ads" / "preset.toml"))
    assert preset.domains.surfaces == ("home_feed", "home_find")
    assert preset.domains.products == ("any_ad",)
    assert {"order", "surface_2", "interests"} <= {feature.name for feature in preset.features}
    assert (preset.window_days, preset.min_window_days) == (7, 7)


def test_a_count_is_a_number_and_an_objective_the_goal(foreign_logs: Path, tmp_path: Path) -> None:
    requests = "select *, hash(*columns(*)) % 7 as sessions_30d from t"
    ads = "select *, if(hash(id) % 2 = 0, 'SALES', 'TRAFFIC') as objective from t"
    proposal = propose(_write(foreign_logs, tmp_path, 1, requests=requests, ads=ads))
    (sessions,) = (one for one in proposal.sections if 'name = "sessions_30d"' in one)
    assert 'kind = "continuous"' in sessions
    paid = "case when objective in ('SALES') then 'conversion' else 'click' end as goal"
    assert paid in proposal.statements["ads"]


def test_a_task_of_some_products_has_them(foreign_logs: Path, tmp_path: Path) -> None:
    ads = f"'{foreign_logs}/{FIRST_DAY['ads']}'"
    scored = f"from t join {ads} as ads on t.creative = ads.id"
    scored = f"select t.* replace (if(kind = 'standard', p_lead, null) as p_lead) {scored}"
    proposal = propose(_write(foreign_logs, tmp_path, 1, candidates=scored))
    assert 'parent = "p_click", products = ["standard"]' in "".join(proposal.sections)
    assert "case when shown and p_lead is not null then lead end as lead" in proposal.statements["candidates"]


@pytest.mark.parametrize(
    ("table", "query", "words"),
    [
        ("ads", "select * rename (id as x, kind as y, topic as z) from t", "ads has .*: no column of ids .* is the ad"),
        ("requests", "select * exclude (served_at) from t", "requests has .*: no column of times, .* is the ts"),
        ("candidates", "select * exclude (p_click, p_lead) from t", "candidates: no column has numbers between"),
        ("candidates", "select * exclude (click, lead, shown) from t", "is the action of a score .p_click, p_lead."),
    ],
)  # fmt: skip
def test_what_the_logs_lack_is_named(
    foreign_logs: Path, tmp_path: Path, table: str, query: str, words: str
) -> None:
    with pytest.raises(LogsError, match=words):
        propose(_write(foreign_logs, tmp_path / "logs", 1, **{table: query}))


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
