"""What every model in this package offers to training, evaluation and export."""

from collections.abc import Sequence

from torch import Tensor, nn

from mtmd.model.batch import Batch


class RankingModel(nn.Module):
    """A model of all tasks in all domains: a batch of P pairs in, (P, T) natural-log probabilities out.

    parents  of each task, the task that its logit is conditional on; None where it is log-odds itself
    """

    parents: Sequence[int | None]
    query: nn.Module
    item: nn.Module

    def forward(self, batch: Batch) -> Tensor:
        """(P, T) float32 log P(task | impression); finite but meaningless where a task does not exist."""
        raise NotImplementedError

    def initialise_bias(self, base_rates: Tensor) -> None:
        """Start from the mean rates: (|domains|, T) mean teacher scores, NaN where there are none."""
        raise NotImplementedError

    def observe(self, batch: Batch) -> None:
        """Take in a batch of the window before training, for statistics of numbers and counts of values."""
        self.query.observe(batch.query, batch.requests_once())  # type: ignore[operator]
        self.item.observe(batch.item, batch.candidates_of_ads())  # type: ignore[operator]

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def embedding_parameter_count(self) -> int:
        """Parameters of the embedding tables of categorical features."""
        return sum(p.numel() for name, p in self.named_parameters() if ".tables.tables." in f".{name}")
