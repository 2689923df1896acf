"""What a training reports while it runs, and when it is done."""

from pydantic import Field

from mtmd.config import Frozen
from mtmd.model import ModelKind
from mtmd.training.precision import Precision


class Progress(Frozen):
    """One report: every few steps, and at each epoch's end, when `validation_loss` is given."""

    kind: ModelKind
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

    kind: ModelKind
    epochs: tuple[EpochRecord, ...]
    best_epoch: int = Field(description="1-based; its weights are the ones kept")
    stopped_early: bool
    rows_per_s: float = Field(description="pairs trained on per second of training, validation excluded")
    parameters: int
    embedding_parameters: int
    precision: Precision
