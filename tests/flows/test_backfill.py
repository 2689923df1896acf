"""Past days in a row: order, promotion, and a day that fails."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows.backfill import backfill
from mtmd.errors import ConfigError
from mtmd.registry import Registry
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied, published


def _backfill(run: Run, artifacts: Path, **parameters: Any) -> State[list[dict[str, str]]]:
    return backfill(
        **({"first": AS_OF, "last": NEXT} | parameters),
        preset=TINY,
        logs=str(run.logs),
        artifacts=str(artifacts),
        return_state=True,
    )


def test_days_run_oldest_first_and_are_only_registered(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts", champion=False)
    state = _backfill(next_day, artifacts)
    rows = state.result()
    assert [row["as_of"] for row in rows] == [str(AS_OF), str(NEXT)]
    assert [row["state"] for row in rows] == ["Completed", "Completed"]
    registry = Registry(artifacts / LINE)
    assert registry.champion() is None
    for row in rows:
        assert row["verdict"] == "promoted nothing (no champion yet) because the run was told not to promote"
        assert registry.manifest(row["model"]).as_of.isoformat() == row["as_of"]
    run = state.state_details.flow_run_id
    assert run is not None
    assert rows[-1]["model"] in published(run)["backfill"]


def test_with_promote_each_day_goes_live_in_turn(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts", champion=False)
    rows = _backfill(next_day, artifacts, promote=True).result()
    history = Registry(artifacts / LINE).history()
    assert [change.model_id for change in history] == [row["model"] for row in rows]


def test_a_newer_champion_is_never_displaced(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    before = (artifacts / LINE / "champion.json").read_bytes()
    (row,) = _backfill(next_day, artifacts, last=AS_OF, promote=True).result()
    live = next_day.summary.model_id
    assert row["verdict"].startswith(f"kept champion {live} because its as_of {AS_OF} is older")
    assert (artifacts / LINE / "champion.json").read_bytes() == before


def test_a_day_that_fails_is_reported_and_the_others_run(first_run: Run, tmp_path: Path) -> None:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    before = AS_OF - timedelta(days=1)  # its window would start before the first day of logs
    state = _backfill(first_run, artifacts, first=before, last=AS_OF)
    with pytest.raises(RuntimeError, match=f"1 of 2 days did not complete: {before}; see their runs"):
        state.result()
    run = state.state_details.flow_run_id
    assert run is not None
    table = published(run)["backfill"]
    assert "lack 1 of the 21 days" in table
    assert first_run.summary.model_id in table


def test_a_range_that_runs_backwards_is_refused(prefect_server: str) -> None:
    with pytest.raises(ConfigError, match=rf"last \({AS_OF}\) must not be before first \({NEXT}\)"):
        backfill(first=NEXT, last=AS_OF, preset=TINY)
