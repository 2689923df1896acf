"""What the soak's ledger shows, and what it does not let pass."""

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from benchmarks.soak.__main__ import main
from benchmarks.soak.ledger import Night, ledger, lost
from benchmarks.soak.logs import deliver_twice, log_bids_in_cents, take_back
from benchmarks.soak.story import DAYS, EVENTS, STORY
from mtmd.logs.files import available_days
from mtmd.store.files import write_json
from tests.flows.runs import AS_OF, Run, copied

QUIET = Night(
    day=AS_OF,
    event="",
    mended="",
    monitor="Completed",
    found="",
    daily="Completed",
    promoted=True,
    words="`verdict`: promoted",
    champion="20260121-abc",
    expected="20260121-abc",
    note="",
    seconds=1.0,
)


def test_the_story_has_every_event_once_and_days_to_recover() -> None:
    assert sorted(STORY.values()) == sorted(EVENTS)
    assert max(STORY) < DAYS - 1


def test_a_quiet_night_is_a_short_row_and_a_bad_one_explains_itself() -> None:
    bad = replace(
        QUIET, event="corrupt day", daily="Failed", promoted=False, words="`verdict`: " + "why " * 100
    )
    quiet, row = ledger([QUIET, bad]).rows
    assert quiet == (str(AS_OF), "", "Completed", "Completed", "20260121-abc", "")
    assert row[4] == "20260121-abc (kept)"
    assert str(row[5]).startswith("`verdict`: why")
    assert len(str(row[5])) == 160


@pytest.mark.parametrize(
    ("night", "fault"),
    [
        (
            replace(QUIET, champion="20260120-old"),
            "the champion is 20260120-old, the verdicts say 20260121-abc",
        ),
        (replace(QUIET, promoted=False, words=""), "did not promote, and no artifact says why"),
        (replace(QUIET, note="killed; OTHER FILES than an undisturbed run"), "OTHER FILES"),
        (
            replace(QUIET, monitor="Breach", found="logmae"),
            "the monitor ended Breach (logmae), not Completed",
        ),
        (replace(QUIET, event="planted drift"), "the monitor ended Completed (), not Breach PSI"),
        (
            replace(QUIET, event="corrupt day", monitor="Breach", found="an ad that occurs more than once"),
            "the daily run ended Completed, not Failed",
        ),
        (
            replace(QUIET, event="late day", monitor="Breach", found="PSI 0.3", daily="Failed"),
            "not Breach newest logs",
        ),
    ],
)
def test_what_must_not_be_is_a_fault(night: Night, fault: str) -> None:
    first = replace(QUIET, monitor="Breach", found="1 breach: there is no champion")
    assert [*QUIET.faults, *first.faults] == []
    (found,) = night.faults
    assert fault in found


def test_whatever_is_missing_at_the_end_is_named(first_run: Run, tmp_path: Path) -> None:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    run = replace(first_run, artifacts=artifacts)
    live = run.summary.champion
    night = replace(QUIET, champion=live, expected=live)
    assert lost(run.registry, [night], []) == []
    (page,) = (run.root / "runs").glob("*/report.html")
    page.unlink()
    shutil.rmtree(run.root / "shards" / f"date={AS_OF}")
    (run.root / ".tmp-half").mkdir()
    found = lost(run.registry, [night], ["sly-owl"])
    for words in ("no decision with a report", "no shard", "half-written", "sly-owl never ended"):
        assert any(words in fault for fault in found), words
    assert len(found) == 4


def test_logs_go_wrong_as_they_should(tiny_logs: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(tiny_logs, logs)

    def ask(what: str, table: str) -> float:
        path = logs / table / f"date={AS_OF}" / "*.parquet"
        return float(duckdb.sql(f"select {what} from read_parquet('{path}')").fetchall()[0][0])

    rows, bids = ask("count(*)", "candidates"), ask("avg(bid)", "ads")
    deliver_twice(logs, AS_OF)
    log_bids_in_cents(logs, AS_OF)
    assert ask("count(*)", "candidates") == 2 * rows
    assert ask("avg(bid)", "ads") == pytest.approx(100 * bids)
    take_back(logs, AS_OF)
    assert AS_OF not in available_days(logs)


def test_a_platform_that_cannot_start_is_an_error(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """tests/flows/test_deployments.py has a night."""
    shutil.copytree(tiny_logs, tmp_path / "logs")
    write_json(tmp_path / "platform" / "database.json", {"database": "another"})
    assert main(["--home", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "must be the one from before (another)" in said
    assert "server: not running" in said  # it is taken down all the same
