"""Eight ways in which a delivery is broken, in another team's project.

Each is found by a check and stops a run, with the table, the cause and values; and the remedies that are told give the
day that was meant.
"""

import re
import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from mtmd.config import load_preset
from mtmd.errors import MtmdError
from mtmd.extras.check.check import check_project
from mtmd.extras.check.findings import Finding, Level
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource
from mtmd.project.commands import create_project
from mtmd.run import RunPlan, plan_run
from mtmd.validate import stage as validate_stage
from mtmd.validate.runner import require, validate_day
from tests.extras.proposal.foreign import write_foreign_logs
from tests.shared import Shared

init = pytest.importorskip("mtmd.extras.proposal.init", reason="the extra `proposal` is not here")
DAY, BEFORE = date(2026, 1, 8), date(2026, 1, 7)
FILES = {
    "requests": f"queries/{DAY}.parquet",
    "ads": f"creatives/{DAY:%Y/%m/%d}/part-0.parquet",
    "candidates": f"scored/dt={DAY:%Y%m%d}/part-0.parquet",
}
PLACES = FILES | {table: FILES[table].replace("part-0", "*") for table in ("ads", "candidates")}
INDIA = "served_at + interval 330 minute"
AT_ALL_HOURS = "row_number() over () * 86399 // (count(*) over () + 1)"
FIRST_FIVE = "row_number() over () <= 5"

# The table, the query that damages its file, what a check and what a run say of it, and the remedies.
DAMAGES = {
    "a column has another name": (
        "candidates", "* rename (p_click as pclick)",
        r"candidates\.p_click: is pclick \(DOUBLE\) since 2026-01-08, such as ('0\.\d+', ){2}'0\.\d+'; until ",
        r"until 2026-01-07 candidates had p_click .* pclick \(DOUBLE, such as '0\.", ["write"]),
    "a table is not there": (
        "candidates", None,
        r"candidates: candidates lack 1 of the 8 days from 2026-01-01 to as_of 2026-01-08: 2026-01-08; days there",
        r"lack 1 of the 8 days .*: 2026-01-08 \(candidates\)", ["deliver"]),
    "a price has its unit": (
        "ads", "* replace (price::varchar || ' EUR' as price)",
        r"ads\.price: is price \(VARCHAR\) since .*, such as ('[\d.]+ EUR', ){2}'[\d.]+ EUR'; until 2026-01-07",
        r"until 2026-01-07 ads had price .* \(VARCHAR, such as '[\d.]+ EUR', '", ["write"]),
    "requests have one id": (
        "requests", f'* replace (if({FIRST_FIVE}, first("requestId") over (), "requestId") as "requestId")',
        r"requests\.request_id: request_id_unique fails: 1 row, such as request_id q-\d+, copies 5",
        r"requests\.request_id_unique: 1 unexpected.*\n.*request_id=q-\d+, copies=5", ["deliver"]),
    "scores are in per cent": (
        "candidates", "* replace (p_click * 100 as p_click, p_lead * 100 as p_lead)",
        r"candidates\.p_click, p_lead: scores between 0 and 100, such as ([\d.]+, ){2}[\d.]+: they look like per cent",
        r"candidates\.p_click_is_a_probability: \d+ unexpected", ["select"]),
    "times are local and in words": (
        "requests", f"* replace (strftime({INDIA}, '%d.%m.%Y %H:%M:%S') as served_at)",
        r"requests\.ts: is VARCHAR, such as ('0[89]\.01\.2026 [\d:]+', ){2}'0[89]\.01\.2026 [\d:]+'; must be TIMESTAMP",
        r"until 2026-01-07 requests had served_at .* \(VARCHAR, such as '08\.01\.2026", ["select"]),
    "scores are no numbers": (
        "candidates", "* replace (if(hash(creative) % 20 = 0, 'nan', p_click) as p_click)",
        r"candidates\.p_click: p_click_is_a_probability fails: \d+ rows(.* p_click nan){3}",
        r"candidates\.p_click_is_a_probability: \d+ unexpected.*(\n.*p_click=nan){3}", ["deliver"]),
    "a surface is new": (
        "requests", "* replace (if(hash(member) % 10 = 0, 'stories', page) as page)",
        r"requests\.surface: surface_known fails: \d+ rows(.* surface stories){3}",
        r"requests\.surface_known: \d+ unexpected.*(\n.*surface=stories){3}", ["surfaces", "deliver"]),
    "surfaces are in capitals": (
        "requests", "* replace (if(hash(member) % 10 = 0, upper(page), page) as page)",
        r"requests\.surface: surface_known fails: \d+ rows", "surface=FEED", ["select", "deliver"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def team(tiny_logs: Path, shared: Shared) -> Path:
    """A project for foreign logs of eight days, whose seven days before the newest one hold."""

    def make(place: Path) -> Path:
        write_foreign_logs(tiny_logs, place / "logs", days=8)
        for path in (place / "logs" / "queries").glob("*.parquet"):  # requests at all hours tell an offset
            _rewrite(path, f"* replace (date '{path.stem}' + to_seconds({AT_ALL_HOURS}) as served_at)")
        create_project(place / "ads", None, init.propose(place / "logs").rewritten)
        validate_stage.validate(_plan(place))
        return place

    return shared.once("deliveries", make)


def _plan(team: Path) -> RunPlan:
    where = {"logs": str(team / "logs"), "artifacts": str(team / "artifacts")}
    return plan_run(DAY, str(team / "ads" / "preset.toml"), **where)


def _rewrite(path: Path, columns: str) -> None:
    with duckdb.connect() as connection:
        connection.read_parquet(str(path), hive_partitioning=False).create_view("t")
        connection.sql(f"select {columns} from t").write_parquet(f"{path}.new")
    Path(f"{path}.new").replace(path)


def _problems(team: Path) -> list[Finding]:
    checked = check_project(str(team / "ads" / "preset.toml"), logs=str(team / "logs"))
    return [finding for finding in checked.findings if finding.level is Level.PROBLEM]


def _stopped(team: Path) -> str:
    """What a run ends with."""
    with pytest.raises(MtmdError) as caught:
        require(*validate_stage.validate(_plan(team)).validations)
    return str(caught.value)


def _rows(team: Path, table: str) -> str:
    """The day's rows of a table as a query, by the project's statement."""
    source = LogSource.of(load_preset(str(team / "ads" / "preset.toml")), str(team / "logs"))
    text = source.statement(table)
    return f"({text.replace('$paths', str(list(map(str, source.day_files(table, DAY)))))})".replace(
        "$day", f"date '{DAY}'"
    )


def _follow(remedy: str, team: Path, whole: Path) -> None:
    """Do what is told, word for word."""
    preset = team / "ads" / "preset.toml"
    if told := re.fullmatch(r"in (\S+\.sql): write (.*) in the place of (.*)", remedy):
        file = Path(told[1])
        file.write_text(file.read_text().replace(told[3], told[2]))
    elif told := re.fullmatch(r"in (\S+\.sql): (select .*)", remedy):
        file = Path(told[1])
        file.write_text(told[2].replace("the statement that is there", file.read_text()))
    elif told := re.match(r"deliver (\w+) of (\S+) to ([^;]+)", remedy):
        assert (told[2], told[3]) == (f"{DAY}", str(team / "logs" / PLACES[told[1]]))
        (team / "logs" / FILES[told[1]]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole / "logs" / FILES[told[1]], team / "logs" / FILES[told[1]])
    elif told := re.search(r"in \[domains\] of the preset: (surfaces = \[.*?\])", remedy):
        preset.write_text(re.sub(r"surfaces = \[.*?\]", told[1], preset.read_text()))
    else:
        raise AssertionError(f"no remedy that can be followed: {remedy}")


@pytest.mark.parametrize(
    ("name", "way"), [(name, way) for name, damage in DAMAGES.items() for way in damage[-1]]
)
def test_a_broken_delivery_is_named_and_its_remedy_gives_the_day_that_was_meant(
    team: Path, tmp_path: Path, name: str, way: str
) -> None:
    table, query, of_check, of_run, _ = DAMAGES[name]
    mine = shutil.copytree(team, tmp_path / "mine")
    preset = mine / "ads" / "preset.toml"
    broken = mine / "logs" / FILES[table]
    broken.unlink() if query is None else _rewrite(broken, query)
    if query is None:
        broken.parent.rmdir()
    first, *others = _problems(mine)
    assert re.match(of_check, f"{first.place}: {first.text}"), first
    assert [other.remedy.split(":")[0] for other in others] == ["mend requests.request_id first"] * len(
        others
    )
    assert re.search(of_run, said := _stopped(mine)), said

    remedies = [one for one in first.remedy.split("; or else ") if way in one.split()]
    _follow(remedies[0], mine, team)
    assert _problems(mine) == []
    source, chosen = LogSource.of(load_preset(str(preset)), str(mine / "logs")), load_preset(str(preset))
    assert validate_day(source, DAY, chosen).passed
    assert validate_day(source, BEFORE, chosen).passed
    with duckdb.connect() as connection:
        for one in TABLES:
            columns = "* exclude (surface)" if way == "surfaces" and one == "requests" else "*"
            columns = (
                columns
                if one != "candidates"
                else "* replace (round(p_click, 9) as p_click, round(p_lead, 9) as p_lead)"
            )
            now, before = (f"select {columns} from {_rows(place, one)}" for place in (mine, team))
            for left, right in ((now, before), (before, now)):
                assert connection.execute(f"{left} except all {right}").fetchall() == []
