"""What a training needs of its data, what it reports while it runs, and its record when it is done."""

from collections.abc import Iterator
from typing import Protocol

from pydantic import Field
from torch import Tensor

from mtmd.config import Frozen
from mtmd.model.batch import Batch
from mtmd.train.step import Precision

FIT = "fit.json"  # a FitResult, beside the weights


class Progress(Frozen):
    """One report: every few steps, and at each epoch's end, when `validation_loss` is given."""

    kind: str
    epoch: int = Field(description="1-based")
    epochs: int
    step: int = Field(description="steps done, over all epochs")
    steps: int
    train_loss: float = Field(description="mean loss of this epoch so far")
    validation_loss: float | None
    rows_per_s: float = Field(description="pairs trained on per second in this epoch so far")


class EpochRecord(Frozen):
    """One epoch."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_logmae: dict[str, float]
    seconds: float


class FitResult(Frozen):
    """A finished training."""

    kind: str
    epochs: tuple[EpochRecord, ...]
    best_epoch: int = Field(description="1-based; its weights are the ones kept")
    stopped_early: bool
    rows_per_s: float = Field(description="pairs trained on per second of training, validation excluded")
    parameters: int
    embedding_parameters: int
    precision: Precision
    taught_seconds: float = Field(
        0.0,
        exclude_if=lambda seconds: seconds == 0.0,
        description="of training what teaches it besides the data; 0 where that was stored, or is none",
    )

    @property
    def seconds(self) -> float:
        """Of training, that of what teaches it included; validation is not."""
        return sum(record.seconds for record in self.epochs) + self.taught_seconds


class TrainingData(Protocol):
    """A window of batches; `mtmd.extract.window.WindowData` is one."""

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]: ...

    def validation(self, batch_requests: int) -> Iterator[Batch]: ...

    def newest(self, days: int, batch_requests: int) -> Iterator[Batch]: ...

    def steps(self, batch_requests: int) -> int: ...

    def base_rates(self) -> Tensor: ...
