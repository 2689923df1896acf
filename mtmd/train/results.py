"""What a training needs of its data, what it may go on from, what it reports while it runs, and its record."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Protocol

from pydantic import Field
from torch import Tensor

from mtmd.config import Frozen
from mtmd.model.batch import Batch
from mtmd.train.step import Precision

FIT = "fit.json"  # a FitResult, beside the weights
MOMENTS = "moments.safetensors"  # beside the weights of a training that a later one may go on from


class TrainingData(Protocol):
    """A window of batches; `mtmd.extract.window.WindowData` is one."""

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]: ...

    def validation(self, batch_requests: int) -> Iterator[Batch]: ...

    def steps(self, batch_requests: int) -> int: ...

    def base_rates(self) -> Tensor: ...


class Start(Frozen):
    """An earlier training that one goes on from, and how."""

    model_id: str = Field(description="the registered model")
    as_of: date
    training: str = Field(description="key of its training")
    full_model_id: str = Field(description="the last fully retrained model that it descends from, or itself")
    full_as_of: date
    days: int = Field(ge=1, description="newest days of the window that are trained on")
    epochs: int = Field(ge=1)
    rate: float = Field(description="peak of the learning rate, as a share of a full retrain's")

    def key(self) -> dict[str, Any]:
        """What of it decides the weights."""
        return self.model_dump(mode="json", include={"training", "days", "epochs", "rate"})


class ChosenStart(Frozen):
    """What MTMD's training goes on from on a day."""

    start: Start | None = Field(None, description="None for a full retrain")
    words: str = Field(
        "", description="what it is, or why it is none; empty where every day is a full retrain"
    )


class Progress(Frozen):
    """One report: every few steps, and at each epoch's end, when `validation_loss` is given."""

    kind: str
    epoch: int = Field(description="1-based")
    epochs: int
    step: int = Field(description="steps done, over all epochs")
    steps: int
    train_loss: float = Field(
        description="mean loss of this epoch so far; on several ranks of the first one's part"
    )
    validation_loss: float | None
    rows_per_s: float = Field(description="pairs trained on per second in this epoch so far")


OnProgress = Callable[[Progress], None]


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
    rows_per_s: float = Field(description="pairs trained on per second of training, validation excluded")
    parameters: int
    embedding_parameters: int
    precision: Precision

    @property
    def seconds(self) -> float:
        """Of training; validation is not part of it."""
        return sum(record.seconds for record in self.epochs)
