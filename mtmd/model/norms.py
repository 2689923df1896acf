"""How plain numbers are normalised before a tower reads them (paper §2.1.2).

Deviation: mean and variance are those of the whole window, observed before training, and not those of the batch at
hand. Missing values are left out. A normalised value is clipped at ± CLIP, so that a value unlike anything seen cannot
swamp a row. Shapes: N rows, M numeric columns.
"""

import torch
from torch import Tensor, nn

EPSILON = 1e-10  # on a variance: columns with a standard deviation far below 1e-5 count as constant
CLIP = 10.0  # standard deviations

Statistics = tuple[Tensor, Tensor, Tensor]


class WindowNorm(nn.Module):
    """BatchNorm over the non-missing values of each column, without gain and shift; one per domain.

    A column with fewer than min_rows values says little about its spread: its mean square stands in for its variance,
    which is never smaller and so never blows a value up.
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
        centre, scale, shift = self.frozen() if statistics is None else statistics
        z = torch.clamp((x - centre) * scale + shift, -CLIP, CLIP)
        return torch.where(seen, z, 0.0)

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
        """Centre, scale and shift, each (M,) float32; 0, 1 and 0 where no value was ever seen.

        (x − mean) / std as (x − centre) · scale + shift, even for means far above the spread: the centre is the mean in
        float32, so x − centre is exact where x is near it; the shift adds the rest.
        """
        spread = self.squares / self.count.clamp(min=1)
        variance = torch.where(self.count < self.min_rows, spread + self.mean.square(), spread)
        variance = torch.where(self.count == 0, 1.0, variance)
        scale = torch.rsqrt(variance.clamp(min=0.0) + EPSILON)
        centre = self.mean.float()
        return centre, scale.float(), ((centre.double() - self.mean) * scale).float()
