"""Days of a simulated platform that is there already, or not yet."""

from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.stages import simulate_days
from mtmd.storage import read_json

DAY, NEXT = date(2026, 1, 2), date(2026, 1, 3)


def _world(logs: str) -> object:
    return read_json(Path(logs) / "world.json")["world"]


def test_a_world_goes_on_at_its_size_when_nothing_else_is_asked_for(tmp_path: Path) -> None:
    logs = str(tmp_path)
    simulate_days(DAY, "demo", days=1, logs=logs, seed=3, requests_per_day=20, users=50, ads=40)
    before = _world(logs)
    assert simulate_days(NEXT, "demo", days=2, logs=logs).written == 1
    assert _world(logs) == before


def test_a_size_that_is_given_must_be_the_worlds(tmp_path: Path) -> None:
    logs = str(tmp_path)
    simulate_days(DAY, "demo", days=1, logs=logs, requests_per_day=20, users=50, ads=40)
    with pytest.raises(LogsError, match="another simulated world"):
        simulate_days(NEXT, "demo", days=1, logs=logs, requests_per_day=30, users=50, ads=40)
    with pytest.raises(LogsError, match="another simulated world"):
        simulate_days(NEXT, "demo", days=1, logs=logs, seed=0)
