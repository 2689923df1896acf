"""A day seen with the champion's eyes: quiet, drifted, missing, unreadable; and what people read of it."""

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from mtmd.errors import BundleError, RegistryError
from mtmd.monitor.health import MonitorReport
from mtmd.monitor.stage import monitor, monitored
from mtmd.registry.registry import Registry
from mtmd.report import jobs
from mtmd.report.document import markdown
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied
from tests.monitor.planted import promoted

PROFILES = Path(LINE) / "monitoring" / "profiles"


def render(report: MonitorReport, trend: list[MonitorReport]) -> str:
    return markdown(jobs.monitor(report, trend))


@pytest.fixture(scope="module")
def profiles(first_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first look counts of the days and keeps: nearly all that a look costs."""
    artifacts = copied(first_run.artifacts, tmp_path_factory.mktemp("looked") / "artifacts")
    _look(first_run, artifacts)
    return artifacts / PROFILES


@pytest.fixture
def artifacts(first_run: Run, profiles: Path, tmp_path: Path) -> Path:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    shutil.copytree(profiles, artifacts / PROFILES)
    return artifacts


def _look(run: Run, artifacts: Path, logs: Path | None = None, days: int = 1) -> MonitorReport:
    return monitor(AS_OF + timedelta(days=days), TINY, logs=str(logs or run.logs), artifacts=str(artifacts))


def _planted(run: Run, folder: Path, table: str, columns: str) -> Path:
    """A copy of the run's logs in which the next day's table has other columns."""
    logs = folder / "logs"
    shutil.copytree(run.logs, logs)
    (file,) = (logs / table / f"date={NEXT}").glob("*.parquet")
    planted = folder / "planted.parquet"
    source = f"read_parquet('{file}', hive_partitioning = false)"
    duckdb.sql(f"copy (select {columns} from {source}) to '{planted}'")
    shutil.move(planted, file)
    return logs


def test_a_day_is_scored_compared_and_kept(first_run: Run, artifacts: Path) -> None:
    report = _look(first_run, artifacts)
    assert (report.day, report.champion) == (NEXT, first_run.summary.model_id)
    assert report.words == "all is well, 28 of 134 numbers could be judged"  # 80 requests a day
    slices = 15 + 3
    assert [len(report.of(s)) for s in ("logmae", "teacher_calibration", "auc", "mean_prediction")] == [
        slices
    ] * 4
    assert {one.where for one in report.of("feature drift")} >= {"country × search", "price × shopping"}
    promoted = first_run.summary.report.get("mtmd", first_run.summary.report.slices[0]).logmae
    assert report.of("logmae")[0].reference == pytest.approx(promoted)
    later = _look(first_run, artifacts, days=2)
    trend = monitored(TINY, later.day, artifacts=str(artifacts))
    assert trend == [report, later]
    assert monitored(TINY, report.day, artifacts=str(artifacts)) == [report]
    text = render(later, trend)
    assert f"## ○ {later.day}: all is well, 28 of 134" in text
    assert "| logmae, home_feed × standard × ctr " in text
    assert "- **not judged, logmae**: 18 of 18, such as home_feed × standard ×" in text
    assert "data:image/svg+xml;base64," in render(later, [report, report, later])


def test_a_day_again_is_judged_by_the_champion_that_was_live_before_it(
    first_run: Run, artifacts: Path
) -> None:
    before = _look(first_run, artifacts)
    for days in (0, 1):  # whose promotion has its figures from the day, and that was trained on it
        newer = promoted(Registry(artifacts / LINE), NEXT + timedelta(days=days), "newer")
        again = _look(first_run, artifacts)
        assert newer != again.champion == before.champion
        assert again.of("logmae") == before.of("logmae")
        assert len(again.of("feature drift")) == len(before.of("feature drift"))


def test_a_damaged_champion_is_named_and_no_earlier_one_is_judged_in_its_place(
    first_run: Run, artifacts: Path
) -> None:
    newer = promoted(Registry(artifacts / LINE), NEXT, "newer")
    manifest = Registry(artifacts / LINE).path(newer) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seeds"', '"seed"'))
    with pytest.raises(BundleError, match=f"manifest of model '{newer}' cannot be read"):
        _look(first_run, artifacts, days=2)


@pytest.mark.parametrize("days", [0, -3])
def test_a_day_that_every_champion_saw_is_refused_and_its_record_stays(
    first_run: Run, artifacts: Path, days: int
) -> None:
    record = artifacts / LINE / "monitoring" / f"date={AS_OF + timedelta(days=days)}.json"
    record.parent.mkdir(exist_ok=True)
    record.write_text("what was found before")
    with pytest.raises(
        RegistryError, match=rf"can't be monitored: champion .* \(as_of {AS_OF}\) saw the day"
    ):
        _look(first_run, artifacts, days=days)
    assert record.read_text() == "what was found before"


def test_a_day_that_is_missing_or_damaged_is_a_breach_and_no_error(
    first_run: Run, artifacts: Path, tmp_path: Path
) -> None:
    report = _look(first_run, artifacts, days=9)
    assert report.words == (
        "2 breaches: the newest logs are of 2026-01-23, not of 2026-01-30; "
        "the champion is of 2026-01-21, at most 3 days before 2026-01-30 are allowed"
    )
    assert render(report, [report]).count("✗ breach") == 2
    logs = tmp_path / "logs"
    shutil.copytree(first_run.logs, logs)
    (file,) = (logs / "requests" / f"date={NEXT}").glob("*.parquet")
    file.write_bytes(b"not parquet")
    damaged = _look(first_run, artifacts, logs)
    assert damaged.words.startswith(f"1 breach: the logs can't be used: requests of {NEXT}")


def test_planted_drift_is_told_and_a_damaged_training_day_is_a_breach(
    first_run: Run, artifacts: Path, tmp_path: Path
) -> None:
    logs = _planted(first_run, tmp_path, "ads", "* replace ('banner' as format)")
    report = _look(first_run, artifacts, logs)
    assert {one.where for one in report.breaches} == {"format × standard", "format × shopping"}
    assert "**feature drift**: format × s" in render(report, [report])
    trained = AS_OF - timedelta(days=5)
    (file,) = (logs / "requests" / f"date={trained}").glob("*.parquet")
    file.write_bytes(b"not parquet")
    damaged = _look(first_run, artifacts, logs)
    assert f": the logs can't be used: requests of {trained}" in damaged.words
    assert damaged.of("logmae") == report.of("logmae")


def test_scores_and_days_that_are_none_are_a_breach_and_no_error(
    first_run: Run, artifacts: Path, tmp_path: Path
) -> None:
    logs = _planted(first_run, tmp_path, "candidates", "* replace (0.0::float as ctr)")
    zero = _look(first_run, artifacts, logs)
    assert zero.words.startswith("1 breach: the logs can't be used: ")
    assert "not strictly between 0 and 1" in zero.words
    (logs / "ads" / "date=2026-02-30").mkdir()
    assert "date=2026-02-30 is named after no day" in _look(first_run, artifacts, logs).words
    assert len(monitored(TINY, NEXT, artifacts=str(artifacts))) == 1
