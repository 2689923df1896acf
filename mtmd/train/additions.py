"""What extras may change about a training: what it begins with, and how many ranks share it.

The core's own are the plain ones: a new model, one process. An extra gives others at the seams `start` and `launcher`
(`mtmd.extension`).
"""

from torch import Tensor, nn

from mtmd.model.ranker import RankingModel
from mtmd.train.optimizer import RowAdamW
from mtmd.train.step import TrainingLoss


class Opening:
    """How a training begins and ends; here it begins with a new model.

    name   tells trainings apart that have different openings
    """

    name = ""

    def begin(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Change a new model that has its window's statistics, before the first step."""

    def end(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Keep something of the last step's weights and moments; called on the rank that writes."""


class OneRank:
    """How the ranks of a training work together; here there is one process."""

    rank, ranks = 0, 1

    def loss(self, loss: TrainingLoss) -> TrainingLoss:
        """The loss of a rank's part of a batch."""
        return loss

    def sum(self, values: Tensor) -> Tensor:
        """The sum over ranks."""
        return values

    def add_gradients(self, model: nn.Module, optimizer: RowAdamW) -> None:
        """Replace the gradients of a part of a batch by those of the whole batch."""

    def settle(self, model: nn.Module, optimizer: RowAdamW) -> None:
        """Give all ranks the same weights and moments, which may differ in a last bit."""
