"""How long the stages of a request take."""

import time
from collections.abc import Callable

Lap = Callable[[str], None]  # called with a stage's name when the stage ends


def no_laps(_: str) -> None:
    """Nobody asks how long it takes."""


class Laps:
    """Seconds of each stage of one request. A stage begins where the one before ended; one may come several times."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
