"""A whole proposal, for logs under other names, in other types and other folders."""

import tomllib
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from mtmd.config import Preset, load_preset
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
        "requests: queries/{day}.parquet",
        "ads: creatives/{day:%Y}/{day:%m}/{day:%d}/*.parquet",
        "candidates: scored/dt={day:%Y%m%d}/*.parquet",
        "task p_click: click happened",
        "task p_lead: lead happened, only after p_click",
        "left out: slot, client",
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


def _write(source: Path, logs: Path, days: int = 1, **queries: str) -> Path:
    """So many days of logs by queries on the foreign ones' first day, `t`, with {days} for the day's number."""
    for table, query in (dict.fromkeys(FIRST_DAY, "from t") | queries).items():
        (logs / table).mkdir(parents=True)
        path = FIRST_DAY.get(table, FIRST_DAY["candidates"])
        for number in range(days):
            with duckdb.connect() as connection:
                connection.read_parquet(str(source / path)).create_view("t")
                written = str(logs / table / f"2026-01-{5 + number:02}.parquet")
                connection.sql(query.format(days=number)).write_parquet(written)
    return logs


def _checked(proposal: Proposal, folder: Path) -> Preset:
    """The preset of the project, after `mtmd check` has found nothing."""
    create_project(folder, None, proposal.rewritten)
    check = pytest.importorskip("mtmd.extras.check.check")
    assert check.check_project(str(folder / "preset.toml")).passed
    return load_preset(str(folder / "preset.toml"))


def test_names_that_a_preset_cannot_have_get_others(foreign_logs: Path, tmp_path: Path) -> None:
    """Where no column is a product, all ads are one; times may be in seconds, and lists have nulls."""
    requests = """
        select * exclude (page, country, served_at) replace (list_append(interests, null) as interests),
            epoch(served_at + interval {days} day)::bigint as "at", 'Home ' || page as "Page",
            country as "order", hour as surface, hash(*columns(*)) % 7 as sessions_30d
        from t
    """
    scored = "select * exclude shown, cast(shown as integer) as shown, 5.5 as m from t"
    ads = "select * exclude (kind, format) from t"
    logs = _write(foreign_logs, tmp_path / 'team "a"', 8, requests=requests, ads=ads, candidates=scored)
    proposal = propose(logs)
    assert 'make_timestamp(cast("at" as bigint) * 1000000) as ts' in proposal.statements["requests"]
    parts = requests.replace("::bigint", " + 0.75")
    parts = propose(_write(foreign_logs, tmp_path / "parts", requests=parts)).statements["requests"]
    assert 'make_timestamp(cast(floor("at") as bigint) * 1000000) as ts' in parts
    assert proposal.understood[-1] == "left out: slot, m, client"
    preset = _checked(proposal, tmp_path / "their-ads")
    assert preset.domains.surfaces == ("home_feed", "home_find")
    assert preset.domains.products == ("any_ad",)
    kinds = {feature.name: feature.kind for feature in preset.features}
    assert {"order", "surface_2", "interests"} <= kinds.keys()
    assert kinds["sessions_30d"] == "continuous"
    assert (preset.window_days, preset.min_window_days) == (7, 7)


def test_a_task_of_some_products_has_them(foreign_logs: Path, tmp_path: Path) -> None:
    ads = f"'{foreign_logs}/{FIRST_DAY['ads']}'"
    scored = f"from t join {ads} as ads on t.creative = ads.id"
    scored = f"select t.* replace (if(kind = 'standard', p_lead, null) as p_lead) {scored}"
    proposal = propose(_write(foreign_logs, tmp_path, candidates=scored))
    assert 'parent = "p_click", products = ["standard"]' in "".join(proposal.sections)
    assert "case when shown and p_lead is not null then lead end as lead" in proposal.statements["candidates"]
    with pytest.raises(LogsError, match="of ads of shopping, no task has a value"):
        propose(tmp_path, {"task": ["p_lead=lead"]})


MOVED = "select * replace (served_at + interval {days} day as served_at) from t"
NO_SCORES = "select * exclude (p_click, p_lead) from t where shown"
YES_OR_NULL = (
    "select * exclude (p_click, p_lead) replace (nullif(click, false) as click, nullif(lead::int, 0) as lead)"
)


@pytest.mark.parametrize("scored", [NO_SCORES, f"{YES_OR_NULL} from t"])
def test_without_scores_actions_are_learned(foreign_logs: Path, tmp_path: Path, scored: str) -> None:
    proposal = propose(_write(foreign_logs, tmp_path / "logs", 8, candidates=scored, requests=MOVED))
    assert "which it learns, as there is no score" in proposal.understood[4]
    assert ("click happened (null is a no)" in proposal.understood[4]) is (scored != NO_SCORES)
    preset = _checked(proposal, tmp_path / "their-ads")
    assert (preset.candidate, preset.training.epochs) == ("plain", 4)
    assert preset.rivals["per_slice"].learning_rate == preset.training.learning_rate
    tasks = preset.domains.tasks
    told = [(task.name, task.label, task.parent, task.learn_from) for task in tasks]
    assert told == [("click", "click", None, "actions"), ("lead", "lead", "click", "actions")]


def test_without_a_column_that_says_it_an_ad_was_shown_where_an_action_has_a_value(
    foreign_logs: Path, tmp_path: Path
) -> None:
    """But of an action that is yes or null: its null is a no."""
    scored = (
        "select * exclude shown replace (if(shown, click, null) as click, if({}, lead, null) as lead) from t"
    )
    for wanted, words in (
        ("shown", "(click is not null or lead is not null) as impressed"),
        ("lead", "case when (click is not null) then coalesce(lead, false) end as lead"),
    ):
        logs = _write(foreign_logs, tmp_path / wanted, candidates=scored.replace("{}", wanted))
        assert words in propose(logs).statements["candidates"]


def test_a_column_that_the_newest_day_lacks_is_not_read(foreign_logs: Path, tmp_path: Path) -> None:
    logs = _write(foreign_logs, tmp_path / "logs", 2, requests=MOVED)
    newest = logs / "ads" / "2026-01-06.parquet"
    pq.write_table(pq.read_table(newest).drop_columns(["topic"]), newest)
    assert "topic" not in propose(logs).statements["ads"]


def test_what_is_said_goes_before_what_is_seen(foreign_logs: Path, tmp_path: Path) -> None:
    """Also of a score and an action together."""
    proposal = propose(_write(foreign_logs, tmp_path), {"task": ["p_click=lead", "clicked=click"]})
    (tasks,) = (one for one in proposal.sections if one.startswith("[domains]"))
    assert '{ name = "p_click", label = "lead" }' in tasks
    assert '{ name = "clicked", label = "click", learn_from = "actions" }' in tasks
    assert "p_click" in proposal.statements["candidates"]
    assert "p_lead" not in proposal.statements["candidates"]
    with pytest.raises(LogsError, match="and name a once"):
        propose(tmp_path, {"task": ["a=lead", "a=click"]})


def test_all_that_cannot_be_told_is_asked_at_once(foreign_logs: Path, tmp_path: Path) -> None:
    """Here two tables may be the candidates, and no score has the name of an action."""
    scored = "select * rename (p_click as x, p_lead as y, click as b, lead as c) from t"
    logs = _write(foreign_logs, tmp_path / "logs", candidates=scored, copies=scored)
    wanted = (
        r"which table is candidates: candidates/\{day\}.parquet or copies/\{day\}.parquet; "
        r"which action is each task of the scores x, y: b or c; such as x=b; .*--candidates … --task …"
    )
    with pytest.raises(LogsError, match=wanted):
        propose(logs)
    asked, answers = [], ["x = b,y=c ", " x =b y= c", "x y = c"]  # the last one first, which is no answer

    def answer(question: str) -> str:
        asked.append(question)
        return " copies " if "table" in question else answers.pop()

    proposal = propose(logs, ask=answer)
    assert len(asked) == 3
    assert "candidates: copies/{day}.parquet" in proposal.understood
    assert propose(logs, ask=answer).statements == proposal.statements
    said = {"candidates": ["copies"], "task": ["x=b", "y = c"]}
    assert propose(logs, said).statements == proposal.statements


@pytest.mark.parametrize(
    ("table", "query", "words"),
    [
        ("ads", "select * exclude id from t", r"no table has ids of two others, .* ads/\{day\}.parquet has kind, cpc"),
        ("requests", "select * exclude served_at from t", "no table has .* of which one has times of its day"),
        ("candidates", "select * exclude (click, lead, shown) from t", "no column of true and false, .* deliver one"),
        ("ads", "from t limit 0", r"ads/2026-01-05\.parquet has 0 rows; at least 1"),
    ],
)  # fmt: skip
def test_what_the_logs_lack_is_named(
    foreign_logs: Path, tmp_path: Path, table: str, query: str, words: str
) -> None:
    with pytest.raises(LogsError, match=words):
        propose(_write(foreign_logs, tmp_path / "logs", **{table: query}), ask=pytest.fail)


def test_an_empty_text_is_no_user(foreign_logs: Path, proposal: Proposal, tmp_path: Path) -> None:
    written = str(tmp_path / "queries.parquet")
    with duckdb.connect() as connection:
        connection.read_parquet(str(foreign_logs / "queries/2026-01-05.parquet")).create_view("t")
        connection.sql("select * replace ('' as member) from t").write_parquet(written)
        users = f"select count(user_id) = 0 and count(*) > 0 from ({proposal.statements['requests']})"
        assert connection.execute(users, {"paths": [written]}).fetchall() == [(True,)]


def test_a_folder_that_has_no_logs_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogsError, match=r"nowhere is no folder; name the folder of requests, ads and"):
        propose(tmp_path / "nowhere")
    with pytest.raises(LogsError, match=r"0 has 0 .parquet files.*; name the folder of requests, ads and"):
        propose(tmp_path)
    for table, day in (("requests", "2026-01-05"), ("ads", "2026-01-05"), ("candidates", "2026-01-06")):
        (tmp_path / table).mkdir()
        (tmp_path / table / f"{day}.parquet").touch()
    with pytest.raises(
        LogsError, match="no day of which there are requests, ads and candidates; deliver one"
    ):
        propose(tmp_path)
    (tmp_path / "candidates" / "2026-01-05.parquet").touch()
    with pytest.raises(LogsError, match=r"2026-01-05: .*; correct the files"):
        propose(tmp_path)
