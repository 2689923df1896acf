"""Past days in a row: what is run again, order, promotion, a day that fails."""

import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import State
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelling

from mtmd.errors import MtmdError
from mtmd.flows.backfill import backfill
from mtmd.jobs.backfill import BackfillDay
from mtmd.registry.registry import Registry
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied, logged, published

pytestmark = pytest.mark.slow
BEFORE = AS_OF - timedelta(days=1)  # its window would start before the first day of logs


def _backfill(run: Run, artifacts: Path, **parameters: Any) -> State[list[BackfillDay]]:
    return backfill(
        **({"first": AS_OF, "last": NEXT} | parameters),
        preset=TINY,
        logs=str(run.logs),
        artifacts=str(artifacts),
        return_state=True,
    )


def _identity(state: State[Any]) -> UUID:
    assert state.state_details.flow_run_id is not None
    return state.state_details.flow_run_id


def _children(state: State[Any]) -> list[str]:
    """Names of the flow runs inside a flow run, in the order in which they started."""
    only = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[_identity(state)]))
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=only, sort=FlowRunSort.START_TIME_ASC)
    return [run.name for run in found]


def test_with_promote_days_run_oldest_first_and_go_live_in_turn(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts", champion=False)
    state = _backfill(next_day, artifacts, promote=True, reprocess="all")
    outcomes = state.result()
    assert [one.as_of for one in outcomes] == [AS_OF, NEXT]
    assert {one.state for one in outcomes} == {"completed"}
    assert _children(state) == [f"daily-retrain {AS_OF}", f"daily-retrain {NEXT}"]
    history = Registry(artifacts / LINE).history()
    assert [change.model_id for change in history] == [one.model_id for one in outcomes]
    text = published(_identity(state))["backfill"]
    assert str(outcomes[-1].model_id) in text


def test_a_newer_champion_is_never_displaced(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    before = (artifacts / LINE / "champion.json").read_bytes()
    (one,) = _backfill(next_day, artifacts, last=AS_OF, promote=True, reprocess="all").result()
    live = next_day.summary.model_id
    assert one.words == f"{one.model_id} was promoted by an earlier run; {live} is champion now"
    assert (artifacts / LINE / "champion.json").read_bytes() == before


def test_days_that_are_blocked_or_fail_are_reported_and_days_that_are_done_are_skipped(
    first_run: Run, tmp_path: Path
) -> None:
    """The files of the last day can't be read, which shows only when it runs."""
    artifacts, logs = copied(first_run.artifacts, tmp_path / "artifacts"), tmp_path / "logs"
    shutil.copytree(first_run.logs, logs)
    (file,) = (logs / "candidates" / f"date={NEXT}").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:1000])
    state = _backfill(replace(first_run, logs=logs), artifacts, first=BEFORE)
    words = (
        rf"2 of 3 days did not complete: {BEFORE} \(blocked\), {NEXT} \(failed\); see the artifact backfill"
    )
    with pytest.raises(MtmdError, match=words):
        state.result()
    assert _children(state) == [f"daily-retrain {NEXT}"]
    found = published(_identity(state))["backfill"]
    assert found.startswith("## ✗ 3 days, 0 to run, 2 not completed\n")
    assert re.search(rf"^- ✗ \*\*{BEFORE} blocked\*\*: logs .* lack 1 of the 21 days", found, re.MULTILINE)
    assert f"- ○ **{AS_OF} skipped {first_run.summary.model_id}**: promoted" in found
    again = _backfill(first_run, artifacts, last=AS_OF)
    assert [one.state for one in again.result()] == ["skipped"]
    assert first_run.summary.model_id in published(_identity(again))["backfill"]


def test_a_day_whose_run_is_cancelled_alone_goes_on_and_both_runs_say_what_to_cancel(
    next_day: Run, prefect_server: str, tmp_path: Path
) -> None:
    """As Prefect does it: nobody stops a run inside of another one."""
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    only = FlowRunFilter.model_validate({"name": {"any_": [f"daily-retrain {AS_OF}"]}})
    # Of runs that other tests killed the server still says Running.
    with get_client(sync_client=True) as client:
        before = {run.id for run in client.read_flow_runs(flow_run_filter=only)}

    def cancel() -> UUID:
        deadline = time.monotonic() + 300
        with get_client(sync_client=True) as client:
            while time.monotonic() < deadline:
                for run in client.read_flow_runs(flow_run_filter=only):
                    if run.id not in before and run.state is not None and run.state.is_running():
                        client.set_flow_run_state(run.id, Cancelling())
                        return run.id
        raise TimeoutError("the day did not begin")

    with ThreadPoolExecutor(1) as person:
        cancelled = person.submit(copy_context().run, cancel)
        state = _backfill(next_day, artifacts, reprocess="all")
    with pytest.raises(MtmdError, match=rf"1 of 2 days did not complete: {AS_OF} \(failed\)"):
        state.result()
    assert _children(state) == [f"daily-retrain {AS_OF}", f"daily-retrain {NEXT}"]
    text = published(_identity(state))["backfill"]
    assert f"**{AS_OF} failed**: its run was cancelled alone, which stops nothing" in text
    of_the_day, of_the_backfill = logged(cancelled.result()), logged(_identity(state))
    assert re.search(f"part of the flow run .*{_identity(state)}: to stop it, cancel that one", of_the_day)
    assert "To stop a backfill, cancel its own run: the day that runs is cancelled" in of_the_backfill


def test_a_dry_run_publishes_the_plan_and_runs_nothing(first_run: Run, tmp_path: Path) -> None:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    state = _backfill(first_run, artifacts, dry_run=True)
    assert [day.state for day in state.result()] == ["skipped", "to run"]
    assert _children(state) == []
    text = published(_identity(state))["backfill"]
    assert text.startswith("## ✓ 2 days, 1 to run\n")
    assert "To stop a backfill, cancel its own run" in text
    assert f"- **{NEXT} to run**\n" in text
