"""What a backfill would do with a day: its state, and what the policy says."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mtmd.config.preset_files import preset_path
from mtmd.errors import ConfigError
from mtmd.jobs.backfill import BackfillDay, plan_backfill
from mtmd.store.files import read_json, write_json
from tests.buckets import S3
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied

BEFORE = AS_OF - timedelta(days=1)
POLICIES = ("none", "failed", "all")


@pytest.fixture
def artifacts(first_run: Run, tmp_path: Path) -> Path:
    return copied(first_run.artifacts, tmp_path / "artifacts")


def _day(logs: Path, artifacts: Path, **options: Any) -> BackfillDay:
    (day,) = plan_backfill(AS_OF, AS_OF, TINY, logs=str(logs), artifacts=str(artifacts), **options)
    return day


def _states(logs: Path, artifacts: Path) -> list[str]:
    """Of the day, under each policy."""
    return [_day(logs, artifacts, reprocess=policy).state for policy in POLICIES]


def _summary(artifacts: Path) -> Path:
    (path,) = (artifacts / LINE / "runs").glob(f"{AS_OF}-*/summary.json")
    return path


def _fail_suites(artifacts: Path) -> Path:
    """Let the validation of the day's run have failed; its record."""
    validation = artifacts / LINE / "validation" / f"as_of={AS_OF}.json"
    record = read_json(validation)
    record["days"][0]["results"][0] |= {"severity": "critical", "unexpected": 1}
    write_json(validation, record)
    return validation


def test_a_day_that_was_decided_runs_again_only_where_all_do(first_run: Run, artifacts: Path) -> None:
    assert _states(first_run.logs, artifacts) == ["skipped", "skipped", "to run"]
    day, summary = _day(first_run.logs, artifacts), _summary(artifacts)
    assert (day.words, day.model_id) == ("promoted", first_run.summary.model_id)
    # and not where it was before the copy
    assert day.report == str(summary.with_name("report.html"))


def test_a_day_whose_gates_or_suites_failed_has_failed(first_run: Run, artifacts: Path) -> None:
    kept = read_json(_summary(artifacts))
    failed = kept["verdict"]["gates"][0] | {"passed": False}
    gates = [failed, *kept["verdict"]["gates"][1:]]
    write_json(_summary(artifacts), kept | {"verdict": kept["verdict"] | {"gates": gates}})
    assert _states(first_run.logs, artifacts) == ["skipped", "to run", "to run"]
    write_json(_summary(artifacts), kept)
    _fail_suites(artifacts)
    assert _states(first_run.logs, artifacts) == ["skipped", "to run", "to run"]
    day = _day(first_run.logs, artifacts)  # its older model went live
    assert (day.words, day.model_id) == (
        "its data suites failed in an earlier run; with reprocess='failed' it runs again",
        None,
    )


@pytest.mark.parametrize("content", [None, {"said": "otherwise"}])
def test_a_run_that_was_killed_or_left_no_record_leaves_its_day_to_run(
    first_run: Run, artifacts: Path, content: dict[str, str] | None
) -> None:
    _summary(artifacts).unlink() if content is None else write_json(_summary(artifacts), content)
    assert _states(first_run.logs, artifacts) == ["to run"] * 3


def test_days_come_oldest_first_and_a_range_does_not_run_backwards(first_run: Run, artifacts: Path) -> None:
    places = {"logs": str(first_run.logs), "artifacts": str(artifacts)}
    days = plan_backfill(BEFORE, NEXT, TINY, **places)
    assert [(day.as_of, day.state) for day in days] == [
        (BEFORE, "blocked"), (AS_OF, "skipped"), (NEXT, "to run")
    ]  # fmt: skip
    assert "lack 1 of the 21 days" in days[0].words
    with pytest.raises(ConfigError, match=rf"last \({BEFORE}\) must not be before first \({NEXT}\)"):
        plan_backfill(NEXT, BEFORE, TINY, **places)


def test_days_of_logs_in_a_bucket_are_listed_once_for_all_days_of_a_plan(
    s3: S3, tiny_logs: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_logs, s3.path("s3://logs/team"))
    days = plan_backfill(AS_OF, NEXT, TINY, logs="s3://logs/team", artifacts=str(tmp_path / "artifacts"))
    assert [day.state for day in days] == ["to run"] * 2
    assert len([line for line in s3.asked if "list-type=2" in line]) == 3


def test_a_decided_day_whose_logs_are_gone_is_only_blocked_where_it_would_run(
    first_run: Run, artifacts: Path, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(first_run.logs, logs)
    shutil.rmtree(logs / "ads" / f"date={AS_OF}")
    assert _states(logs, artifacts) == ["skipped", "skipped", "blocked"]
    _fail_suites(artifacts)
    assert _states(logs, artifacts) == ["skipped", "blocked", "blocked"]


def test_a_day_that_the_preset_leaves_out_is_shown_and_never_runs(
    first_run: Run, artifacts: Path, tmp_path: Path
) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text(f'{preset_path(TINY).read_text()}\n[left_out]\n{NEXT} = "clicks were not logged"\n')
    places = {"logs": str(first_run.logs), "artifacts": str(artifacts)}
    _, day = plan_backfill(AS_OF, NEXT, str(preset), reprocess="all", **places)
    assert (day.as_of, day.state, day.words) == (NEXT, "left out", "clicks were not logged")
