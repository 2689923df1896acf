"""A day that is read once for its validation and its shard is judged, and extracted, as one that is read twice."""

import shutil
from pathlib import Path

import pytest

from mtmd.extract import stage
from mtmd.extract.pending import PendingShards
from mtmd.extract.shards import read_manifest
from mtmd.extract.stage import PENDING, extract_day
from mtmd.logs.source import LogSource
from mtmd.run import RunPlan
from mtmd.store.files import atomic_directory, move_directory
from mtmd.validate import staging
from mtmd.validate.runner import validate_day
from tests.validate.conftest import Logs

FILE = "part-0.parquet"


@pytest.fixture
def plan(logs: Logs, day, tmp_path: Path) -> RunPlan:
    artifacts = str(tmp_path / "artifacts")
    # only its places are used
    return RunPlan(as_of=day, preset=logs.preset, days=(day,), logs=str(logs.root), artifacts=artifacts)


def judged(logs: Logs, plan: RunPlan, *trailing):
    """The same day, read twice and read once."""
    once = validate_day(LogSource(logs.root), plan.as_of, logs.preset, trailing, PendingShards(plan))
    return logs.validate(*trailing), once


def pending(plan: RunPlan) -> list[Path]:
    return list((plan.workspace.shards / PENDING).glob("date=*/*"))


def test_a_sound_day_is_read_once(logs, plan, yesterday, day, monkeypatch) -> None:
    apart, _ = judged(logs, plan, yesterday)
    expected = extract_day(LogSource(logs.root), day, logs.preset.declarations, plan.workspace.root / "apart")
    summed = []
    monkeypatch.setattr(staging, "summary_sql", lambda *arguments: summed.append(arguments))
    once = validate_day(LogSource(logs.root), day, logs.preset, [yesterday], PendingShards(plan))
    assert once == apart
    assert once.passed
    assert summed == []  # candidates were not asked again
    (waiting,) = pending(plan)
    ref = extract_day(LogSource(logs.root), day, logs.preset.declarations, plan.workspace.shards)
    assert not ref.reused
    assert ref.path == str(plan.workspace.shards / f"date={day}" / waiting.name)
    assert read_manifest(Path(ref.path), verify=True) == read_manifest(Path(expected.path))
    assert list((plan.workspace.shards / PENDING).iterdir()) == []


@pytest.mark.parametrize(
    ("table", "damage", "extracted"),
    [
        ("candidates", "update t set ctr = 0 where ad_id = 19", True),
        ("candidates", "update t set ctr = 'nan' where ad_id = 19", True),
        ("candidates", "update t set octr = null where request_id % 10 = 0 and octr is not null", True),
        ("candidates", "update t set octr = ctr + 0.01 where ad_id = 2", True),
        ("candidates", "update t set clicked = true where not impressed", True),
        ("candidates", "update t set good_clicked = null where impressed", True),
        ("candidates", "update t set position = -1 where ad_id = 0 and impressed", True),
        ("candidates", "update t set impressed = null where ad_id = 0", False),
        ("candidates", "update t set ad_id = 999 where ad_id = 0", False),
        ("candidates", "update t set request_id = null where ad_id = 0", False),
        ("candidates", "insert into t from t limit 3", False),
        ("candidates", "delete from t where ad_id % 2 = 0", True),
        ("requests", "insert into t from t limit 1", False),
        ("requests", "update t set surface = 'elsewhere' where user_id = 3", False),
        ("requests", "update t set ts = ts + interval 1 day where user_id = 3", True),
        ("requests", "update t set user_vector = user_vector[:2] where user_id = 3", False),
        ("ads", "update t set product = null where ad_id = 3", False),
        ("ads", "update t set bid = -1 where ad_id = 3", True),
    ],
)
def test_a_damaged_day_is_judged_the_same(logs, plan, yesterday, table: str, damage: str, extracted) -> None:
    logs.damage(table, damage)
    apart, once = judged(logs, plan, yesterday)
    assert once == apart
    assert [result.name for result in once.failures]
    assert bool(pending(plan)) is extracted
    PendingShards(plan).discard(plan.as_of)
    assert pending(plan) == []


def test_what_is_damaged_while_it_waits_is_extracted_again(logs, plan, day, caplog) -> None:
    validate_day(LogSource(logs.root), day, logs.preset, (), PendingShards(plan))
    (waiting,) = pending(plan)
    (waiting / "ads.arrow").write_bytes(b"")
    extract_day(LogSource(logs.root), day, logs.preset.declarations, plan.workspace.shards)
    assert "extracted again, because it was damaged" in caplog.text


def test_a_day_that_changed_since_takes_no_pending_shard(logs, plan, day) -> None:
    validate_day(LogSource(logs.root), day, logs.preset, (), PendingShards(plan))
    logs.damage("ads", "update t set bid = 2")
    extract_day(LogSource(logs.root), day, logs.preset.declarations, plan.workspace.shards)
    assert len(pending(plan)) == 1  # of the other content, until the day is validated again
    validate_day(LogSource(logs.root), day, logs.preset, (), PendingShards(plan))
    assert pending(plan) == []


def test_runs_that_validate_a_day_at_the_same_time_leave_each_others_work_alone(logs, plan, day) -> None:
    place = plan.workspace.shards / PENDING / f"date={day}" / "0123456789abcdef"
    with atomic_directory(place) as of_another_run:
        (of_another_run / "ads.arrow").write_text("half")
        once = PendingShards(plan)
        assert validate_day(LogSource(logs.root), day, logs.preset, (), once).passed
        assert len(pending(plan)) == 2  # the day was read once
        once.discard(day)
        assert pending(plan) == [of_another_run]
        assert (of_another_run / "ads.arrow").read_text() == "half"
    assert pending(plan) == [place]


def test_a_pending_shard_that_another_run_takes_first_is_used(logs, plan, day, monkeypatch, caplog) -> None:
    validate_day(LogSource(logs.root), day, logs.preset, (), PendingShards(plan))
    read = stage.read_manifest

    def taken_meanwhile(path: Path, *, verify: bool):
        if path.parent.parent.name == PENDING:
            move_directory(path, plan.workspace.shards / path.parent.name / path.name)
        return read(path, verify=verify)

    monkeypatch.setattr(stage, "read_manifest", taken_meanwhile)
    ref = extract_day(LogSource(logs.root), day, logs.preset.declarations, plan.workspace.shards)
    assert ref.reused
    assert pending(plan) == []
    assert "damaged" not in caplog.text


def test_a_pending_shard_of_a_run_that_was_second_goes(logs, plan, day) -> None:
    shards, declarations = plan.workspace.shards, logs.preset.declarations
    first = Path(extract_day(LogSource(logs.root), day, declarations, shards).path)
    shutil.copytree(first, shards / PENDING / f"date={day}" / first.name)
    assert extract_day(LogSource(logs.root), day, declarations, shards).reused
    assert list((shards / PENDING).iterdir()) == []
