"""Training progress: a progress artifact, and a line of the log at the end of each epoch and every minute."""

import time
from datetime import date
from types import TracebackType
from typing import Self
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from mtmd.train.results import Progress

_LINE_S = 60.0  # a log without news looks like a hang
_STEP_PERCENT = 5.0  # an artifact update is a request to the server: at most twenty a training


class TrainingProgress:
    """A callback for `train`; made and used inside a task run."""

    def __init__(self, name: str, as_of: date) -> None:
        self._name, self._as_of = name, as_of
        self._artifact: UUID | None = None
        self._shown: float | None = None  # percent
        self._told_s = time.monotonic()  # when the last line was written
        self._shows = True  # until the server fails

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._artifact is not None:
            self._publish(100.0)  # an early stop ends before the last step

    def __call__(self, progress: Progress) -> None:
        percent = min(100.0, 100.0 * progress.step / max(progress.steps, 1))
        self._tell(progress, percent)
        if self._shown is None or percent - self._shown >= _STEP_PERCENT or percent >= 100.0:
            self._shown = percent
            self._publish(percent)

    def _tell(self, progress: Progress, percent: float) -> None:
        line = f"{self._name} epoch {progress.epoch}/{progress.epochs}: "
        if progress.validation_loss is not None:
            line += f"train {progress.train_loss:.5f}, validation {progress.validation_loss:.5f}, "
        elif time.monotonic() - self._told_s >= _LINE_S:
            line += f"{percent:.0f} % of the training, "
        else:
            return
        self._told_s = time.monotonic()
        get_run_logger().info("%s%.0f rows/s", line, progress.rows_per_s)

    def _publish(self, percent: float) -> None:
        """A server that fails must not end a training that goes well, nor hold it up again and again."""
        if not self._shows:
            return
        try:
            if self._artifact is None:
                key = f"training-progress-{self._name}".replace("_", "-")
                words = f"Training {self._name}, as_of {self._as_of}"
                made = create_progress_artifact(progress=0.0, key=key, description=words)
                assert isinstance(made, UUID)  # in a task that is not async
                self._artifact = made
            update_progress_artifact(self._artifact, progress=percent)
        except Exception as error:  # noqa: BLE001 - whatever a server or a network can raise
            self._shows = False
            get_run_logger().warning("training progress is not shown any more: %s", error)


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
