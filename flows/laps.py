"""How long the stages of a run take, for its verdict."""

import time


class Laps:
    """A stopwatch: each stage takes from the end of the one before to its own end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def done(self, stage: str) -> None:
        """A stage has ended."""
        now = time.monotonic()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now
