"""What extras may change about a training: what it begins with, what else teaches it, and how many ranks share it.

The core's own are the plain ones: a new model, the window's data alone, one process. An extra gives others at the seams
`start`, `teaching` and `launcher` (`mtmd.extension`).
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from mtmd.config import Frozen
from mtmd.model.batch import Batch
from mtmd.model.ranker import RankingModel
from mtmd.train.optimizer import RowAdamW
from mtmd.train.step import Precision, TrainingLoss, training_step

MOMENTS = "moments.safetensors"  # beside the weights of a training that a later one may go on from


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
        "", description="what it is, or why it is none; empty where every day is retrained in full"
    )


class Opening:
    """How a training begins and ends; here it begins with a new model.

    name   tells trainings apart that have different openings
    """

    name = ""

    def begin(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Change a new model that has its window's statistics, before the first step."""

    def end(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Keep something of the last step's weights and moments; called on the rank that writes."""


class Teaching:
    """What a training learns from besides its data; here nothing.

    name     tells trainings apart that are taught by different models
    seconds  that it took now to train what teaches
    """

    name = ""
    seconds = 0.0

    def batches(self, batches: Iterable[Batch], epoch: int) -> Iterable[Batch]:
        """The batches of an epoch, before values are dropped."""
        return batches

    def loss(self, loss: TrainingLoss) -> TrainingLoss:
        """The loss of such batches."""
        return loss


class OneRank:
    """How the ranks of a training work together; here there is one process."""

    rank, ranks = 0, 1

    def loss(self, loss: TrainingLoss) -> TrainingLoss:
        """The loss of a rank's part of a batch."""
        return loss

    def sum(self, values: Tensor) -> Tensor:
        """The sum over ranks."""
        return values

    def alike(self, number: int) -> bool:
        """Whether all ranks have this number."""
        return True

    def settle(self, tensors: Iterator[Tensor]) -> None:
        """Give all ranks the same values of these tensors, which may differ in a last bit."""

    def step(
        self,
        model: nn.Module,
        optimizer: RowAdamW,
        batch: Batch,
        loss: TrainingLoss,
        precision: Precision,
        most: float,
    ) -> tuple[float, float, int]:
        """`training_step` of the whole batch: loss, norm of the gradient, and the batch's pairs."""
        value, norm = training_step(model, optimizer, batch, loss, precision, most)
        return value, norm, len(batch.candidate)


def parameters_and_moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """All that an update changes."""
    for parameter in model.parameters():
        yield parameter.data
        slots = optimizer.state[parameter]
        yield from (slots[name] for name in ("exp_avg", "exp_avg_sq") if name in slots)
