"""Domain Adaptation (paper §2.1.2, Fig. 3): per-domain BatchNorm, learned defaults and an SE block.

Each feature is a field. A number, and each component of a vector, passes the norm of the row's domain; a category is an
embedding shared by the tower's domains. What is missing, in a row or in the whole domain, is that domain's learned
default. Then the SE block of the domain reweights the fields (reading: at field level, as in ADIN, the paper's
reference 8). `adaptation = "shared"`, for an ablation: one norm and one set of defaults for a tower, and no SE block.
Deviations: the norm (`mtmd.model.layers`); the SE gate is 2 · sigmoid, so that it starts near 1.

Shapes: N rows of one domain, M numeric columns, k features of a table, w their width, D columns, F fields.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mtmd.config import SideSchema
from mtmd.model.batch import SideInput
from mtmd.model.fields import FieldLayout, FieldTables, Owned
from mtmd.model.layers import Statistics, WindowNorm

GATE_STD = 0.01
SE_REDUCTION = 2  # hidden width of the SE block = fields / reduction; §2.1.2
Adapted = Literal["domain", "shared"]


class DomainFields(nn.Module):
    """The adaptation of one domain: x = gate(x') ⊙ x', where x' has its defaults for what is missing.

    Without domain adaptation it serves all domains, and every gate is 1.
    """

    field_mean: Tensor
    indicator: Tensor

    def __init__(self, layout: FieldLayout, min_rows: int, *, gated: bool) -> None:
        super().__init__()
        self.gated = gated
        numeric, fields = layout.numeric_width, len(layout.fields)
        self.norm = WindowNorm(numeric, min_rows)
        self.gain = nn.Parameter(torch.ones(numeric))
        self.shift = nn.Parameter(torch.zeros(numeric))
        self.default = nn.Parameter(torch.zeros(layout.width))
        if not self.gated:
            return
        hidden = max(1, fields // SE_REDUCTION)
        self.squeeze = nn.Linear(fields, hidden)
        self.excite = nn.Linear(hidden, fields)
        nn.init.normal_(self.excite.weight, std=GATE_STD)
        nn.init.zeros_(self.excite.bias)
        indicator = layout.indicator()
        self.register_buffer("indicator", indicator, persistent=False)  # (F, D)
        self.register_buffer("field_mean", (indicator / indicator.sum(1, keepdim=True)).T, persistent=False)

    def observe(self, numbers: Tensor, present: Tensor) -> None:
        """Rows of the window for the norm's statistics; arguments as in forward."""
        self.norm.observe(numbers, ~torch.isnan(numbers) & present[..., : numbers.shape[1]])

    def forward(self, numbers: Tensor, embedded: list[tuple[Tensor, Tensor]], present: Tensor) -> Tensor:
        """Rows to adapted columns (N, D).

        numbers (N, M) with NaN for missing; embedded, per table: values (N, k, w) and a known mask (N, k);
        present (D,), or (N, D) for rows of several domains: the columns that a row's domain has.
        """
        start = numbers.shape[1]
        parts = [self.adapt_numbers(numbers, present[..., :start])]
        for values, known in embedded:
            _, k, w = values.shape
            columns = slice(start, start + k * w)
            mask = known.unsqueeze(2) & present[..., columns].reshape(*present.shape[:-1], k, w)
            parts.append(torch.where(mask, values, self.default[columns].view(k, w)).flatten(1))
            start += k * w
        return self.gate(torch.cat(parts, dim=1))

    def adapt_numbers(self, numbers: Tensor, present: Tensor, statistics: Statistics | None = None) -> Tensor:
        """(N, M) with NaN for missing, and which columns are present, (M,) or (N, M) → normalised (N, M)."""
        seen = ~torch.isnan(numbers) & present
        z: Tensor = self.norm(numbers, seen, statistics)
        z = torch.addcmul(self.shift, z, self.gain)
        return torch.where(seen, z, self.default[: numbers.shape[1]])

    def gate(self, x: Tensor) -> Tensor:
        """Fields side by side (N, D) → reweighted."""
        if not self.gated:
            return x
        squeezed = torch.relu(self.squeeze(x @ self.field_mean))
        gates = 2.0 * torch.sigmoid(self.excite(squeezed))  # (N, F)
        return x * (gates @ self.indicator)


def by_domain(rows: Tensor, side: SideInput) -> tuple[Tensor, ...]:
    """Views of the rows of each domain; a domain without rows gets an empty one."""
    return torch.split(rows, list(side.counts))


class DomainAdaptation(nn.Module):
    """Adaptation of a tower: tables shared by its domains, everything else per domain unless configured shared."""

    present: Tensor

    def __init__(
        self, schema: SideSchema, adapted: Adapted, min_rows: int, owned: Owned | None = None
    ) -> None:
        """`min_rows` is as in WindowNorm, `owned` as in FieldTables."""
        super().__init__()
        # Of a single domain, which a submodel may have, without the fields that it lacks.
        self.layout = FieldLayout(schema, 0 if len(schema.domains) == 1 else None)
        self.tables = FieldTables(self.layout, owned=owned)
        self.shared = adapted == "shared"
        count = len(schema.domains)
        self.domains = nn.ModuleList(
            DomainFields(self.layout, min_rows, gated=not self.shared)
            for _ in range(1 if self.shared else count)
        )
        present = torch.stack([self.layout.present_columns(domain) for domain in range(count)])
        self.register_buffer("present", present, persistent=False)  # (|domains|, D)

    def of(self, domain: int) -> nn.Module:
        """The DomainFields that rows of a domain pass."""
        return self.domains[0 if self.shared else domain]

    def observe(self, side: SideInput, times: Tensor) -> None:
        """Rows of the window, sorted by domain, for the statistics of their domains' norms and the values' counts.

        times (N,): how often a row's values count.
        """
        self.tables.observe(side, times)
        for fields, present, (numbers,) in self._by_domain(side, [self.layout.numbers(side.numbers)]):
            fields.observe(numbers, present)  # type: ignore[operator]

    def forward(self, side: SideInput) -> Tensor:
        """Rows sorted by domain → adapted (N, D), in float32 under autocast too."""
        with torch.autocast(side.continuous.device.type, enabled=False):
            columns = [self.layout.numbers(side.numbers)]
            for copies, known in self.tables(side):
                columns += [copies[0], known]
            return torch.cat(
                [
                    fields(numbers, list(zip(embedded[::2], embedded[1::2], strict=True)), present)
                    for fields, present, (numbers, *embedded) in self._by_domain(side, columns)
                ]
            )

    def _by_domain(
        self, side: SideInput, columns: Sequence[Tensor]
    ) -> Iterator[tuple[nn.Module, Tensor, Sequence[Tensor]]]:
        """The DomainFields that rows pass, the columns that are present, and these rows of each of the `columns`."""
        if self.shared:
            yield self.domains[0], self.present[side.domain], columns
            return
        split = [by_domain(column, side) for column in columns]
        for domain, fields in enumerate(self.domains):
            yield fields, self.present[domain], [rows[domain] for rows in split]
