"""The embedding tables of one domain as they are served: each file has the rows that its domain reads.

Shapes: N rows, K categorical columns, k features of a table, M its rows, w its width, L values of the longest list.
"""

import copy
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.model.fields import FieldTables
from mtmd.model.pooling import ListPooling

# Score of what is behind a list's end: its share is exactly 0, and a number where nothing is before it.
_LOWEST = -1e9


def served_tables(tables: FieldTables, present: Tensor, default: Tensor) -> nn.ModuleList:
    """A domain's tables; present and default of the categorical columns, in the tables' order."""
    served, start, inputs = nn.ModuleList(), 0, _list_inputs(tables)
    for index, table in enumerate(tables.layout):
        shape = (len(table.features), table.width)
        columns = slice(start, start + shape[0] * shape[1])
        here, defaults = present[columns].view(shape)[:, 0], default[columns].view(shape)
        if table.multi:
            served.append(ServedList(tables, index, here[0], defaults[0], inputs[table.columns[0]]))
        else:
            served.append(ServedTable(tables, index, here, defaults))
        start = columns.stop
    return served


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
    """A multi-valued field in one domain, as `mtmd.model.pooling` has it, of padded lists.

    inputs: where its ids, and what is beside them, are among the tensors of all lists.
    """

    present: Tensor
    admitted: Tensor | None

    def __init__(
        self, tables: FieldTables, index: int, present: Tensor, default: Tensor, inputs: slice
    ) -> None:
        """Of one of the tables: present, whether the domain has the field; default (w,)."""
        super().__init__()
        feature, weight = tables.layout[index].list, tables.read[index]
        pooling, admission = tables.pooling[str(index)], tables.admission_of(index)
        assert isinstance(pooling, ListPooling)  # as FieldTables builds them; nn.ModuleDict has no types
        self.inputs, self.pooling = inputs, pooling.pooling
        self.beside: tuple[str, ...] = tuple(feature.companions)
        # Row 0 is read for what is behind a list's end, and by a domain that lacks the field.
        self.weight = copied(weight if present else weight[:1])
        self.default = copied(default)
        self.register_buffer("present", present.long())
        admitted = None if admission is None else admission.admitted(0, feature.buckets)
        self.register_buffer("admitted", admitted)
        self.attention = copy.deepcopy(pooling.attention)
        self.notes = nn.ParameterDict({what: copied(rows[0]) for what, rows in pooling.notes.items()})

    def forward(self, ids: Tensor, *beside: Tensor) -> Tensor:
        """ids (N, L), 0 behind the end, and what is beside them, (N, L) each → (N, w)"""
        given = dict(zip(self.beside, beside, strict=True))
        ids = ids * self.present
        if self.admitted is not None:
            ids = ids * self.admitted[ids]
        filled = ids > 0
        embedded = F.embedding(ids, self.weight)  # (N, L, w)
        for what, rows in self.notes.items():
            embedded = embedded + F.embedding(given[what], rows)
        share = filled.to(embedded.dtype)
        if "weights" in given:
            share = share * given["weights"]
        if self.attention is not None:
            scores = self.attention(embedded).masked_fill(~filled, _LOWEST)
            share = share * torch.softmax(scores, dim=1)
        total = share.sum(dim=1, keepdim=True)  # (N, 1)
        known = total > 0
        if self.pooling == "mean":
            share = share / torch.where(known, total, 1.0)
        sums = (share.unsqueeze(1) @ embedded).squeeze(1)  # (N, w)
        return torch.where(known, sums, self.default)


def _list_inputs(tables: FieldTables) -> dict[int, slice]:
    """Of each list, by its column: its places among the tensors of all lists, in the order of the columns."""
    features = sorted((t.columns[0], 1 + len(t.list.companions)) for t in tables.layout if t.multi)
    ends = accumulate(size for _, size in features)
    return {column: slice(end - size, end) for (column, size), end in zip(features, ends, strict=True)}
