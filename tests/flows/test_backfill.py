"""Past days in a row: what is run again, order, promotion, a day that fails, several at once."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import State
from prefect.client.schemas.sorting import FlowRunSort

from mtmd.errors import ConfigError
from mtmd.flows.backfill import backfill
from mtmd.jobs.backfill import DayOutcome
from mtmd.registry.registry import Registry
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied, published

pytestmark = pytest.mark.slow
BEFORE = AS_OF - timedelta(days=1)  # its window would start before the first day of logs


def _backfill(run: Run, artifacts: Path, **parameters: Any) -> State[list[DayOutcome]]:
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
    assert "data:image/svg+xml;base64," in text


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
    with pytest.raises(RuntimeError, match=words):
        state.result()
    assert _children(state) == [f"daily-retrain {NEXT}"]
    found = published(_identity(state))
    assert found["backfill-plan"].startswith("## ✗ 1 of 3 days would run, 1 blocked\n")
    table = found["backfill"]
    assert re.search(rf"^- ✗ \*\*{BEFORE}\*\*: logs .* lack 1 of the 21 days", table, re.MULTILINE)
    assert f"| {AS_OF} | skipped |" in table
    assert f"- ○ **{AS_OF} {first_run.summary.model_id}**: promoted" in table
    again = _backfill(first_run, artifacts, last=AS_OF)
    assert [one.state for one in again.result()] == ["skipped"]
    assert first_run.summary.model_id in published(_identity(again))["backfill"]


def test_a_dry_run_publishes_the_plan_and_runs_nothing(first_run: Run, tmp_path: Path) -> None:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    state = _backfill(first_run, artifacts, newest_first=True, dry_run=True)
    assert state.result() == []
    assert _children(state) == []
    found = published(_identity(state))
    assert set(found) == {"backfill-plan"}
    assert found["backfill-plan"].startswith("## ✓ 1 of 2 days would run\n")
    assert f"| {NEXT} | new | 1 | 1 | mtmd, per_slice,<br>pooled |" in found["backfill-plan"]
    assert f"- ○ **done**: {AS_OF}\n" in found["backfill-plan"]


def test_two_days_at_once_run_in_processes_of_their_own_and_are_only_registered(
    next_day: Run, tmp_path: Path
) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts", champion=False)
    state = _backfill(next_day, artifacts, reprocess="all", at_once=2, newest_first=True)
    outcomes = state.result()
    assert [(one.as_of, one.state) for one in outcomes] == [(NEXT, "completed"), (AS_OF, "completed")]
    assert sorted(_children(state)) == [f"daily-retrain {AS_OF}", f"daily-retrain {NEXT}"]
    registry = Registry(artifacts / LINE)
    assert registry.champion() is None
    for one in outcomes:
        assert one.words == "promoted nothing (no champion yet) because the run was told not to promote"
        assert one.model_id is not None
        assert registry.manifest(one.model_id).as_of == one.as_of


@contextmanager
def _killed(most: int) -> Iterator[None]:
    """Kill the first processes of days as soon as they are there, as the kernel does that runs out of memory."""
    gone: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while len(gone) < most and not stop.wait(0.05):
            for child in psutil.Process().children():
                with suppress(psutil.Error):
                    if child.pid not in gone and "spawn_main" in " ".join(child.cmdline()):
                        child.kill()
                        gone.append(child.pid)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
        assert len(gone) == most
    finally:
        stop.set()
        watching.join()


def test_a_day_whose_process_was_killed_is_run_again_alone(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts", champion=False)
    options = {"last": AS_OF, "reprocess": "all", "at_once": 2}
    with _killed(2):
        state = _backfill(next_day, artifacts, **options)
    with pytest.raises(RuntimeError, match=rf"1 of 1 days did not complete: {AS_OF} \(failed\)"):
        state.result()
    assert f"- ✗ **{AS_OF}**: its process ended: " in published(_identity(state))["backfill"]
    with _killed(1):
        (one,) = _backfill(next_day, artifacts, **options).result()
    assert one.state == "completed"


def test_what_cannot_be_is_refused_before_anything_runs(prefect_server: str) -> None:
    with pytest.raises(ConfigError, match=rf"last \({AS_OF}\) must not be before first \({NEXT}\)"):
        backfill(first=NEXT, last=AS_OF, preset=TINY)
    with pytest.raises(ConfigError, match=r"at_once \(2\) must be 1 with promote"):
        backfill(first=AS_OF, last=NEXT, preset=TINY, promote=True, at_once=2)
