"""Parts of a tower as it is served, for one domain: its tables, networks and crosses, each on its own.

A runtime for serving does better with each network on its own than with batched products: weight, bias and activation
of a layer become one kernel. Each file has the rows of the tables that its domain reads.

Shapes: N rows, D columns of a network; K categorical columns, k features of a table, M its rows, w its width, L values
of the longest list.
"""

import copy
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.model.adaptation import DomainFields
from mtmd.model.domain_tower import DomainTower
from mtmd.model.fields import FieldTables
from mtmd.model.layers import ListPooling, LowRankCross, Stack, normalise

# Score of what is behind a list's end: its share is exactly 0, and a number where nothing is before it.
_LOWEST = -1e9


def served_tables(tables: FieldTables, present: Tensor, default: Tensor) -> nn.ModuleList:
    """A domain's tables; present and default of the categorical columns, in the tables' order."""
    served, start = nn.ModuleList(), 0
    for index, table in enumerate(tables.layout):
        shape = (len(table.features), table.width)
        columns = slice(start, start + shape[0] * shape[1])
        here, defaults = present[columns].view(shape)[:, 0], default[columns].view(shape)
        if table.multi:
            served.append(ServedList(tables, index, here[0], defaults[0]))
        else:
            served.append(ServedTable(tables, index, here, defaults))
        start = columns.stop
    return served


def embedded(tables: nn.ModuleList, categorical: Tensor, lists: Sequence[Tensor]) -> list[Tensor]:
    """Of each of the served tables its embeddings, side by side (N, k w); `lists` are as a served module gets them."""
    return [
        table(lists[table.place]) if isinstance(table, ServedList) else table(categorical) for table in tables
    ]


def copied(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().clone(memory_format=torch.contiguous_format))


class ServedTable(nn.Module):
    """Categorical fields of equal width in one domain: a field's first row, its missing value's, is its default.

    A field that the domain lacks has no other row.
    """

    columns: Tensor
    present: Tensor
    first: Tensor

    def __init__(self, tables: FieldTables, index: int, present: Tensor, default: Tensor) -> None:
        """Of one of the tables: present (k,) bool and default (k, w), which is what the domain has of its fields.

        A value that is not admitted has the default as its row.
        """
        super().__init__()
        table, weight, admission = tables.layout[index], tables.read[index], tables.admission_of(index)
        rows: list[Tensor] = []
        fields = zip(table.offsets, table.features, present.tolist(), default, strict=True)
        for place, (offset, feature, is_present, missing) in enumerate(fields):
            buckets = feature.buckets
            known = weight[offset + 1 : offset + 1 + buckets] if is_present else weight[:0]
            if admission is not None and is_present:
                known = torch.where(admission.admitted(place, buckets)[1:, None], known, missing)
            rows.append(torch.cat([missing[None], known]))
        self.weight = copied(torch.cat(rows))
        self.register_buffer("columns", torch.tensor(table.columns))
        self.register_buffer("present", present.long())
        self.register_buffer("first", torch.tensor([0, *accumulate(map(len, rows[:-1]))]))

    def forward(self, categorical: Tensor) -> Tensor:
        """(N, K) → embeddings side by side (N, k w)"""
        rows = categorical.index_select(1, self.columns) * self.present + self.first
        return F.embedding(rows, self.weight).flatten(1)


class ServedList(nn.Module):
    """A multi-valued field in one domain, as `mtmd.model.layers` has it, of padded lists."""

    present: Tensor
    admitted: Tensor | None

    def __init__(self, tables: FieldTables, index: int, present: Tensor, default: Tensor) -> None:
        """Of one of the tables: present, whether the domain has the field; default (w,)."""
        super().__init__()
        table, weight = tables.layout[index], tables.read[index]
        pooling, admission = tables.pooling[str(index)], tables.admission_of(index)
        assert isinstance(pooling, ListPooling)  # as FieldTables builds them; nn.ModuleDict has no types
        (self.place,), (feature,) = table.columns, table.features
        # Row 0 is read for what is behind a list's end, and by a domain that lacks the field.
        self.weight = copied(weight if present else weight[:1])
        self.default = copied(default)
        self.register_buffer("present", present.long())
        admitted = None if admission is None else admission.admitted(0, feature.buckets)
        self.register_buffer("admitted", admitted)
        self.attention = copy.deepcopy(pooling.attention)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (N, L), 0 behind the end → (N, w)"""
        ids = ids * self.present
        if self.admitted is not None:
            ids = ids * self.admitted[ids]
        filled = ids > 0
        embedded = F.embedding(ids, self.weight)  # (N, L, w)
        share = filled.to(embedded.dtype)
        if self.attention is not None:
            scores = self.attention(embedded).masked_fill(~filled, _LOWEST)
            share = share * torch.softmax(scores, dim=1)
        total = share.sum(dim=1, keepdim=True)  # (N, 1)
        known = total > 0
        if self.attention is None:
            share = share / torch.where(known, total, 1.0)
        sums = (share.unsqueeze(1) @ embedded).squeeze(1)  # (N, w)
        return torch.where(known, sums, self.default)


class ServedTower(nn.Module):
    """A tower for rows of one domain, in evaluation mode, for export: matrices in, T embeddings out.

    It shares the tower's adaptation, and holds the weights, the tables' rows and the normalisation constants of the
    moment it was made.
    """

    centre: Tensor
    scale: Tensor
    shift: Tensor
    bias: Tensor
    present: Tensor

    def __init__(self, tower: DomainTower, domain: int) -> None:
        super().__init__()
        fields = tower.adaptation.of(domain)
        assert isinstance(fields, DomainFields)  # as they are built; nn.ModuleList has no types
        self.norm, self.widths, self.tasks = tower.norm, tower.widths, tower.tasks[domain]
        self.fields = fields
        self.layout = tower.adaptation.layout
        present, numeric = tower.adaptation.present[domain], self.layout.numeric_width
        self.tables = served_tables(tower.adaptation.tables, present[numeric:], fields.default[numeric:])
        for name, value in zip(("centre", "scale", "shift"), fields.norm.frozen(), strict=True):
            self.register_buffer(name, value)
        self.register_buffer("bias", tower.bias[domain].detach().clone())
        self.register_buffer("present", present[:numeric])

    def embed(self, x: Tensor, z: Tensor) -> list[list[Tensor]]:
        """As DomainTower.embed, which this is of one domain, without what is in common."""
        raise NotImplementedError

    def forward(
        self, continuous: Tensor, categorical: Tensor, embedding: Tensor, *lists: Tensor
    ) -> tuple[Tensor, ...]:
        """continuous (N, C), categorical (N, K), embedding (N, V), as in SideInput → T tensors (N, K_t).

        lists: of each multi-valued feature its ids (N, L), 0 behind the last one.
        """
        numbers = self.layout.numbers(torch.cat([continuous, embedding], dim=1))
        parts = [self.fields.adapt_numbers(numbers, self.present, (self.centre, self.scale, self.shift))]
        parts += embedded(self.tables, categorical, lists)
        x = self.fields.gate(torch.cat(parts, dim=1))  # (N, D)
        found = dict(zip(self.tasks, self.embed(x, normalise(x) if self.norm == "pre" else x), strict=True))
        rows, outputs = x.shape[0], []  # len() would fix the number of rows
        for task, (bias, width) in enumerate(zip(self.bias.unbind(0), self.widths, strict=True)):
            embeddings = found.get(task, [x.new_zeros(()).expand(rows, width - 1)])
            outputs.append(torch.cat([*embeddings, bias.expand(rows, 1)], dim=1))
        return tuple(outputs)


def served_networks(stack: Stack | None, indices: Sequence[int]) -> nn.ModuleList:
    """Some networks of a Stack; none where there is no Stack."""
    return nn.ModuleList([] if stack is None else [ServedNetwork(stack, index) for index in indices])


class ServedNetwork(nn.Module):
    """One network of a Stack, layer by layer."""

    def __init__(self, stack: Stack, index: int) -> None:
        super().__init__()
        self.norm, self.slope, self.activated = stack.norm, stack.slope, stack.activated
        layers = zip(stack.weights, stack.biases, strict=True)
        self.layers = nn.ModuleList(linear_of(weight[index], bias[index, 0]) for weight, bias in layers)
        self.gains = nn.ParameterList(copied(gain[index, 0]) for gain in stack.gains)
        self.shifts = nn.ParameterList(copied(shift[index, 0]) for shift in stack.shifts)

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) → (N, width of the last layer); with norm "pre", x is normalised already."""
        for index, layer in enumerate(self.layers):
            x = layer(normalise(x) if self.norm == "pre" and index else x)
            if index < self.activated:
                if self.norm == "post":
                    x = F.layer_norm(x, x.shape[-1:], self.gains[index], self.shifts[index])
                x = F.leaky_relu(x, self.slope)
        return x


class ServedCross(nn.Module):
    """One cross of a LowRankCross, layer by layer."""

    def __init__(self, cross: LowRankCross, index: int) -> None:
        super().__init__()
        up = zip(cross.up, cross.biases, strict=True)
        full = [nn.Identity() for _ in range(cross.full)]
        self.down = nn.ModuleList([*full, *(linear_of(weight[index]) for weight in cross.down)])
        self.up = nn.ModuleList(linear_of(weight[index], bias[index, 0]) for weight, bias in up)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) → (N, C)"""
        start = x
        for down, up in zip(self.down, self.up, strict=True):
            x = start * up(down(x)) + x
        return x


def linear_of(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A layer of the weight (inputs, outputs) of a batched product."""
    inputs, outputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    layer.weight = copied(weight.T)
    if bias is not None:
        layer.bias = copied(bias)
    return layer
