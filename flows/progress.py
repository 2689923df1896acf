"""Training progress (a progress artifact, a log line an epoch, a bar where a person watches), and stages' times.

Without a terminal, an epoch that takes long has a line every minute too: a log file without news looks like a hang.
"""

import sys
import time
from datetime import date
from types import TracebackType
from typing import Self
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.progress import Progress as Bar

from mtmd.train.results import Progress

_LINE_S = 60.0
_STEP_PERCENT = 5.0  # an artifact update is a request to the server: at most twenty a training


class TrainingProgress:
    """A callback for `train`; made and used inside a task run."""

    def __init__(self, kind: str, as_of: date) -> None:
        self._kind = kind
        self._as_of = as_of
        self._artifact: UUID | None = None
        self._shown: float | None = None
        self._told_s = time.monotonic()  # when the last line was written
        self._shows = True  # until the server fails
        self._model = kind  # that is trained now: the cross model comes before the one it teaches
        self._bar = Bar(transient=True, disable=not sys.stderr.isatty())
        self._task = self._bar.add_task(f"training {kind}", total=100.0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if error is None and self._artifact is not None:
            self._publish(100.0)  # an early stop ends before the last step

    def __call__(self, progress: Progress) -> None:
        percent = 100.0 * progress.step / max(progress.steps, 1)
        model = f"cross model of {self._kind}" if progress.kind == "cross" else self._kind
        if model != self._model:
            self._model, self._shown = model, None
            self._bar.update(self._task, description=f"training {model}")
        self._bar.update(self._task, completed=percent)
        self._tell(model, progress, percent)
        if self._shown is None or percent - self._shown >= _STEP_PERCENT or percent >= 100.0:
            self._shown = percent
            self._publish(min(percent, 100.0))

    def _tell(self, model: str, progress: Progress, percent: float) -> None:
        """A line at the end of an epoch; in between after a while without one, unless a bar is seen."""
        line = f"{model} epoch {progress.epoch}/{progress.epochs}: "
        if progress.validation_loss is not None:
            line += f"train {progress.train_loss:.5f}, validation {progress.validation_loss:.5f}, "
        elif self._bar.disable and time.monotonic() - self._told_s >= _LINE_S:
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
            self._artifact = self._artifact or self._create()
            update_progress_artifact(self._artifact, progress=percent)
        except Exception as error:  # noqa: BLE001 - whatever a server or a network can raise
            self._shows = False
            get_run_logger().warning("training progress is not shown any more: %s", error)

    def _create(self) -> UUID:
        key = f"training-progress-{self._kind}".replace("_", "-")
        made = create_progress_artifact(
            progress=0.0, key=key, description=f"Training {self._kind}, as_of {self._as_of}"
        )
        if not isinstance(made, UUID):
            raise TypeError(
                f"create_progress_artifact gave {type(made).__name__}; call it from a task that is not async"
            )
        return made


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
