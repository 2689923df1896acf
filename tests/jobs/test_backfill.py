"""What a backfill would do with a day: its status, what the policy says."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mtmd.config.preset_files import preset_path
from mtmd.errors import ConfigError
from mtmd.jobs.backfill import PlannedDay, latest_outcome, plan_backfill
from mtmd.promote.findings import RunSummary
from mtmd.store.files import read_json, write_json
from mtmd.store.workspace import Workspace
from tests.buckets import S3
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied

BEFORE = AS_OF - timedelta(days=1)
_STOPPED = "its data suites failed in an earlier run"


def _day(run: Run, artifacts: Path, **options: Any) -> PlannedDay:
    places = {"logs": str(run.logs), "artifacts": str(artifacts)}
    (day,) = plan_backfill(AS_OF, AS_OF, TINY, **places, **options).days
    return day


@pytest.fixture
def artifacts(first_run: Run, tmp_path: Path) -> Path:
    return copied(first_run.artifacts, tmp_path / "artifacts")


def _summary(artifacts: Path) -> Path:
    (path,) = (artifacts / LINE / "runs").glob(f"{AS_OF}-*/summary.json")
    return path


def _fail_suites(artifacts: Path) -> Path:
    """Let the validation of the day's run have failed; its record."""
    validation = artifacts / LINE / "validation" / f"as_of={AS_OF}.json"
    record = read_json(validation)
    record["days"][0]["results"][0] |= {"severity": "critical", "status": "failed"}
    write_json(validation, record)
    return validation


def _runs(run: Run, artifacts: Path) -> list[bool]:
    return [_day(run, artifacts, reprocess=policy).runs for policy in ("none", "failed", "all")]


def test_a_day_that_was_decided_is_done(first_run: Run, artifacts: Path) -> None:
    assert _day(first_run, artifacts).status == "done"
    assert _runs(first_run, artifacts) == [False, False, True]


def test_a_day_whose_gates_or_suites_failed_has_failed(first_run: Run, artifacts: Path) -> None:
    kept = read_json(_summary(artifacts))
    failed = kept["verdict"]["gates"][0] | {"passed": False}
    gates = [failed, *kept["verdict"]["gates"][1:]]
    write_json(_summary(artifacts), kept | {"verdict": kept["verdict"] | {"gates": gates}})
    assert _day(first_run, artifacts).status == "failed"
    write_json(_summary(artifacts), kept)
    _fail_suites(artifacts)
    assert _day(first_run, artifacts).status == "failed"
    assert _runs(first_run, artifacts) == [False, True, True]


def test_a_run_that_was_killed_leaves_its_day_new(first_run: Run, artifacts: Path) -> None:
    _summary(artifacts).unlink()
    assert _day(first_run, artifacts).status == "new"
    assert _runs(first_run, artifacts) == [True, True, True]


def test_days_come_in_the_order_in_which_they_run(first_run: Run, artifacts: Path) -> None:
    places = {"logs": str(first_run.logs), "artifacts": str(artifacts)}
    plan = plan_backfill(BEFORE, NEXT, TINY, newest_first=True, **places)
    assert [day.as_of for day in plan.days] == [NEXT, AS_OF, BEFORE]
    assert (plan.running, plan.skipped) == ((NEXT,), (AS_OF,))
    (blocked,) = plan.of("blocked")
    assert (blocked.as_of, blocked.status, blocked.runs) == (BEFORE, "blocked", False)
    assert "lack 1 of the 21 days" in blocked.note
    with pytest.raises(ConfigError, match=rf"last \({BEFORE}\) must not be before first \({NEXT}\)"):
        plan_backfill(NEXT, BEFORE, TINY, **places)


def test_days_of_logs_in_a_bucket_are_listed_once_for_all_days_of_a_plan(
    s3: S3, tiny_logs: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_logs, s3.path("s3://logs/team"))
    plan = plan_backfill(AS_OF, NEXT, TINY, logs="s3://logs/team", artifacts=str(tmp_path / "artifacts"))
    assert [day.status for day in plan.days] == ["new"] * 2
    assert len([line for line in s3.asked if "list-type=2" in line]) == 3


def test_a_decided_day_whose_logs_are_gone_is_only_blocked_where_it_would_run(
    first_run: Run, artifacts: Path, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(first_run.logs, logs)
    shutil.rmtree(logs / "ads" / f"date={AS_OF}")

    def statuses() -> list[str]:
        run = replace(first_run, logs=logs)
        found = [_day(run, artifacts, reprocess=policy) for policy in ("none", "failed", "all")]
        assert not any(day.runs for day in found)
        return [day.status for day in found]

    assert statuses() == ["done", "done", "blocked"]
    validation = _fail_suites(artifacts)
    assert statuses() == ["failed", "blocked", "blocked"]
    assert latest_outcome(Workspace(artifacts / LINE), AS_OF).words == _STOPPED  # its older model went live
    _summary(artifacts).unlink()
    assert statuses() == ["failed", "blocked", "blocked"]
    validation.unlink()
    assert statuses() == ["blocked"] * 3


def test_a_skipped_day_shows_what_it_ended_with(first_run: Run, artifacts: Path) -> None:
    workspace = Workspace(artifacts / LINE)
    outcome = latest_outcome(workspace, AS_OF)
    summary = RunSummary.model_validate(read_json(_summary(artifacts)))
    assert (outcome.state, outcome.words, outcome.model_id) == ("skipped", "promoted", summary.model_id)
    assert set(outcome.logmae) == {"ctr", "gctr", "octr"}
    assert outcome.gain is not None
    # and not where it was before the copy
    assert outcome.report == str(_summary(artifacts).with_name("report.html"))
    assert latest_outcome(workspace, NEXT).words == _STOPPED


def test_a_record_of_another_version_is_no_error(first_run: Run, artifacts: Path) -> None:
    write_json(_summary(artifacts), {"as_of": str(AS_OF), "said": "otherwise"})
    write_json(artifacts / LINE / "validation" / f"as_of={AS_OF}.json", {"said": "otherwise"})
    assert _day(first_run, artifacts).status == "done"
    outcome = latest_outcome(Workspace(artifacts / LINE), AS_OF)
    assert outcome.words == f"decided by another version: {_summary(artifacts)}"


def test_a_day_that_the_preset_leaves_out_is_shown_and_never_runs(
    first_run: Run, artifacts: Path, tmp_path: Path
) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text(f'{preset_path(TINY).read_text()}\n[left_out]\n{NEXT} = "clicks were not logged"\n')
    plan = plan_backfill(
        AS_OF, NEXT, str(preset), reprocess="all", logs=str(first_run.logs), artifacts=str(artifacts)
    )
    out = plan.days[-1]
    assert (out.as_of, out.status, out.runs, out.note) == (NEXT, "left out", False, "clicks were not logged")
    assert (plan.running, plan.skipped) == ((AS_OF,), ())
