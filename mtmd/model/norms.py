"""How plain numbers are normalised before a tower reads them (paper §2.1.2), by the statistics of `model.statistics`.

    window  mean and variance of the whole window, observed before training: the default, a deviation from the paper
    batch   those of the batch at hand in training, and running ones at evaluation: the paper's BatchNorm

Both leave missing values out. docs/lab/tuning.md has what a batch's statistics cost. A normalised value is clipped at
± CLIP, so that a value unlike anything seen cannot swamp a row.
Shapes: N rows, M numeric columns.
"""

import torch
from torch import Tensor, nn

from mtmd.config import ModelConfig

EPSILON = 1e-10  # on a variance: columns with a standard deviation far below 1e-5 count as constant
CLIP = 10.0  # standard deviations
MOMENTUM = 0.05  # share of a training batch in running statistics

Statistics = tuple[Tensor, Tensor, Tensor]


class WindowNorm(nn.Module):
    """BatchNorm over the non-missing values of each column, without gain and shift; one per domain.

    Mean and variance are those of the whole window, observed before training, and not of the batch at hand. A column
    with fewer than min_rows values says little about its spread: its mean square stands in for its variance, which
    is never smaller and so never blows a value up.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor  # sum of squared deviations from the mean

    def __init__(self, columns: int, min_rows: int) -> None:
        super().__init__()
        self.min_rows = min_rows
        for name in ("count", "mean", "squares"):
            self.register_buffer(name, torch.zeros(columns, dtype=torch.float64))

    def forward(self, x: Tensor, seen: Tensor, statistics: Statistics | None = None) -> Tensor:
        """x (N, M) float32, seen (N, M) bool → (N, M), 0 where not seen.

        statistics: what frozen() returned earlier, for export.
        """
        return _normalised(x, seen, self.frozen() if statistics is None else statistics)

    @torch.no_grad()
    def observe(self, x: Tensor, seen: Tensor) -> None:
        """Take in rows of the window, by the pairwise update of Chan, Golub and LeVeque (1979)."""
        values = torch.where(seen, x, 0.0).double()
        count = seen.sum(dim=0).double()
        mean = values.sum(dim=0) / count.clamp(min=1)
        squares = torch.where(seen, values - mean, 0.0).square().sum(dim=0)
        total = self.count + count
        share = count / total.clamp(min=1)
        step = mean - self.mean
        self.squares += squares + step.square() * self.count * share
        self.mean += step * share
        self.count.copy_(total)

    @torch.no_grad()
    def frozen(self) -> Statistics:
        """Centre, scale and shift, each (M,) float32; 0, 1 and 0 where no value was ever seen."""
        spread = self.squares / self.count.clamp(min=1)
        variance = torch.where(self.count < self.min_rows, spread + self.mean.square(), spread)
        return _statistics(self.mean, torch.where(self.count == 0, 1.0, variance))


class MaskedBatchNorm(nn.Module):
    """BatchNorm over the non-missing values of each column, without gain and shift; one per domain.

    A training batch is normalised by its own mean and variance, unless a column has fewer than min_rows values in it:
    then, and at evaluation, by the running ones. Running E[x] and E[x²] are averages in which a batch of n values has
    the weight MOMENTUM · min(1, n / min_rows), divided by the sum of all weights: the first batch counts fully, and one
    row counts little.
    """

    first: Tensor
    second: Tensor
    weight: Tensor

    def __init__(self, columns: int, min_rows: int) -> None:
        super().__init__()
        self.min_rows = min_rows
        for name in ("first", "second", "weight"):
            self.register_buffer(name, torch.zeros(columns, dtype=torch.float64))

    def forward(self, x: Tensor, seen: Tensor, statistics: Statistics | None = None) -> Tensor:
        """As in WindowNorm; in training mode it takes the rows in."""
        if statistics is None:
            statistics = self._batch(x, seen) if self.training else self.frozen()
        return _normalised(x, seen, statistics)

    def observe(self, x: Tensor, seen: Tensor) -> None:
        """Nothing: training brings the statistics."""

    @torch.no_grad()
    def frozen(self) -> Statistics:
        """As in WindowNorm, of the running statistics."""
        return _statistics(*self._running())

    @torch.no_grad()
    def _batch(self, x: Tensor, seen: Tensor) -> Statistics:
        values = torch.where(seen, x, 0.0).double()
        count = seen.sum(dim=0)
        n = count.clamp(min=1).double()
        first = values.sum(dim=0) / n
        spread = torch.where(seen, values - first, 0.0).square().sum(dim=0) / n
        rate = MOMENTUM * (count / self.min_rows).clamp(max=1.0).double()
        self.first += rate * (first - self.first)
        self.second += rate * (spread + first.square() - self.second)
        self.weight += rate * (1.0 - self.weight)
        mean, variance = self._running()
        enough = count >= self.min_rows
        return _statistics(torch.where(enough, first, mean), torch.where(enough, spread, variance))

    def _running(self) -> tuple[Tensor, Tensor]:
        """Mean and variance; 0 and 1 where no value was ever seen."""
        never = self.weight == 0
        weight = torch.where(never, 1.0, self.weight)
        mean = self.first / weight
        second = torch.where(never, 1.0, self.second / weight)
        # Until half of min_rows was seen, the mean square stands in for the variance, as in WindowNorm.
        thin = self.weight < MOMENTUM / 2
        return mean, torch.where(thin, second, second - mean.square())


NumberNorm = WindowNorm | MaskedBatchNorm


def number_norm(columns: int, config: ModelConfig) -> NumberNorm:
    """The configured norm of M columns."""
    norm = WindowNorm if config.statistics == "window" else MaskedBatchNorm
    return norm(columns, config.norm_min_rows)


def _normalised(x: Tensor, seen: Tensor, statistics: Statistics) -> Tensor:
    centre, scale, shift = statistics
    z = torch.clamp((x - centre) * scale + shift, -CLIP, CLIP)
    return torch.where(seen, z, 0.0)


def _statistics(mean: Tensor, variance: Tensor) -> Statistics:
    """(x − mean) / std as (x − centre) · scale + shift in float32, even for means far above the spread.

    The centre is the mean in float32, so x − centre is exact where x is near it; the shift adds the rest.
    """
    scale = torch.rsqrt(variance.clamp(min=0.0) + EPSILON)
    centre = mean.float()
    return centre, scale.float(), ((centre.double() - mean) * scale).float()
