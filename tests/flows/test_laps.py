"""A stopwatch."""

import pytest

from mtmd.flows import laps
from mtmd.flows.laps import Laps


def test_a_stage_takes_from_the_end_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((10.0, 12.0, 12.5, 15.5))
    monkeypatch.setattr(laps.time, "monotonic", lambda: next(times))
    watch = Laps()
    for stage in ("validate", "train", "validate"):
        watch.done(stage)
    assert watch.seconds == {"validate": 5.0, "train": 0.5}
