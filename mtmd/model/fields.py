"""The fields of a tower: which column of its input matrix each feature fills, and the embedding tables.

With `min_count`, values that the window has seldom seen are read as missing. A value's count is that of the window's
training requests on the query side, and of their candidates on the item side; in a list each value counts.

Shapes: N rows, M numeric columns, k features of a table, w their width, D all columns, F fields, L ids.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from mtmd.config import SideSchema
from mtmd.features import Feature, Hashed, MultiValued
from mtmd.model.batch import ListInput, SideInput
from mtmd.model.layers import ListPooling

EMBEDDING_STD = 0.05
# Tables that several features read, by the name of the feature that they are of.
Owned = dict[str, nn.Parameter]


@dataclass(frozen=True)
class EmbeddingTable:
    """Categorical features of equal width, whose embeddings are rows of one table; or one multi-valued feature.

    columns   of SideInput.categorical; or of SideInput.lists, where `multi`
    offsets   first table row of each feature; its id i is row offset + i, and id 0 (missing) is never read
    shared    the feature whose table others read too, in which case there is nothing else in the table
    """

    features: tuple[Hashed, ...]
    columns: tuple[int, ...]
    offsets: tuple[int, ...]
    rows: int
    shared: str | None

    @property
    def width(self) -> int:
        return self.features[0].width

    @property
    def shallow(self) -> bool:
        return self.features[0].shallow

    @property
    def multi(self) -> bool:
        return isinstance(self.features[0], MultiValued)


class FieldLayout:
    """Column order of a tower's input: numbers, vectors, deep-only categoricals, then shallow ones.

    A list is one field, as any other category is. Shallow fields come last so that the shallow experts' input is a
    view. With `domain` the layout has only the fields of that domain, otherwise all of the tower's.
    """

    def __init__(self, schema: SideSchema, domain: int | None = None) -> None:
        present = schema.present
        kept = {f for i, f in enumerate(schema.fields) if domain is None or present[domain, i]}
        categories = [*enumerate(schema.categorical), *enumerate(schema.lists)]
        self.tables = _tables(((i, f) for i, f in categories if f in kept), schema.shared)
        self.numeric_columns: list[int] = []
        fields: list[Feature] = []
        widths: list[int] = []
        start = 0
        for feature in (*schema.continuous, *schema.embedding):
            if feature in kept:
                self.numeric_columns += range(start, start + feature.size)
                fields.append(feature)
                widths.append(feature.size)
            start += feature.size
        self.numeric_width = sum(widths)
        for table in self.tables:
            fields += table.features
            widths += [table.width] * len(table.features)
        self.fields = tuple(fields)
        self.widths = tuple(widths)
        self.width = sum(widths)
        self.shallow_width = sum(table.width * len(table.features) for table in self.tables if table.shallow)
        order = [schema.fields.index(feature) for feature in self.fields]
        self._present = torch.from_numpy(present[:, order])  # (|domains|, F)

    def numbers(self, every: Tensor) -> Tensor:
        """Of the numbers of all fields of the side, (N, C + V), those of the layout's."""
        return every if every.shape[1] == self.numeric_width else every[:, self.numeric_columns]

    def present_columns(self, domain: int) -> Tensor:
        """(D,) bool: the columns whose field the domain has."""
        return self._present[domain].repeat_interleave(torch.tensor(self.widths))

    def indicator(self) -> Tensor:
        """(F, D) float: 1 where the column belongs to the field."""
        member = torch.arange(len(self.widths)).repeat_interleave(torch.tensor(self.widths))
        return (torch.arange(len(self.widths))[:, None] == member).float()


def _tables(features: Iterable[tuple[int, Hashed]], shared: frozenset[str]) -> tuple[EmbeddingTable, ...]:
    """Group (column, feature) pairs by shallow and width, deep-only groups first; lists and shared tables apart."""
    groups: dict[tuple[bool, int, bool, str, str], list[tuple[int, Hashed]]] = {}
    for column, feature in features:
        owner = feature.hashed_as if feature.hashed_as in shared else ""
        multi = isinstance(feature, MultiValued)
        group = (feature.shallow, feature.width, multi, owner, feature.name if multi else "")
        groups.setdefault(group, []).append((column, feature))
    tables = []
    for (*_, owner, _), members in sorted(groups.items()):
        columns, own = zip(*members, strict=True)
        ends = [0, *accumulate(feature.buckets + 1 for feature in own)]
        # Features of a shared table all read the same rows.
        offsets, rows = ((0,) * len(own), ends[1]) if owner else (tuple(ends[:-1]), ends[-1])
        tables.append(EmbeddingTable(own, columns, offsets, rows, owner or None))
    return tuple(tables)


class Admission(nn.Module):
    """How often each value of a table's features was seen, and which of them are admitted."""

    seen: Tensor
    least: Tensor
    offsets: Tensor

    def __init__(self, features: Sequence[Hashed], offsets: Sequence[int], rows: int) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(rows, dtype=torch.long))
        least = torch.tensor([feature.min_count or 0 for feature in features])
        self.register_buffer("least", least, persistent=False)  # (k,)
        self.register_buffer("offsets", torch.tensor(offsets), persistent=False)  # (k,)

    def observe(self, ids: Tensor, times: Tensor) -> None:
        """Count ids (L, k), each as often as `times` (L,) says."""
        for column in (ids + self.offsets).unbind(dim=1):
            self.seen.index_add_(0, column, times)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (L, k) → the same, 0 where a value is not admitted"""
        return torch.where(self.seen[ids + self.offsets] >= self.least, ids, 0)

    def admitted(self, place: int, buckets: int) -> Tensor:
        """(buckets + 1,) bool: which ids of one of the features are admitted."""
        start = int(self.offsets[place])
        return self.seen[start : start + buckets + 1] >= self.least[place]


class FieldTables(nn.Module):
    """Embedding tables of a layout's categorical fields, in `copies` independent copies.

    on_read is told a table and the rows of it that are about to be read; as long as it is set, gradients are sparse.
    read  per table of the layout its rows; a table that another module `owned` before is not a parameter of this one
    """

    on_read: Callable[[Tensor, Tensor], None] | None = None

    def __init__(self, layout: FieldLayout, copies: int = 1, owned: Owned | None = None) -> None:
        """`owned` has the shared tables of modules that were made before, and gets those of this one."""
        super().__init__()
        self.layout = layout.tables
        others = {} if owned is None else owned
        self.read: list[nn.Parameter] = []
        self.tables = nn.ParameterList()
        self.pooling = nn.ModuleDict()  # of lists, by the place of their table
        self.admission = nn.ModuleDict()  # likewise, where a feature asks for it
        for index, table in enumerate(layout.tables):
            parameter = None if table.shared is None else others.get(table.shared)
            if parameter is None:
                parameter = nn.Parameter(torch.randn(copies * table.rows, table.width) * EMBEDDING_STD)
                self.tables.append(parameter)
            if table.shared is not None:
                others[table.shared] = parameter
            self.read.append(parameter)
            if isinstance(feature := table.features[0], MultiValued):
                self.pooling[str(index)] = ListPooling(feature, copies)
            if any(feature.min_count is not None for feature in table.features):
                self.admission[str(index)] = Admission(table.features, table.offsets, table.rows)
            first = torch.arange(copies)[:, None, None] * table.rows + torch.tensor(table.offsets)
            self.register_buffer(f"first_{index}", first, persistent=False)  # (copies, 1, k)
            self.register_buffer(f"columns_{index}", torch.tensor(table.columns), persistent=False)

    def observe(self, side: SideInput, times: Tensor) -> None:
        """Rows of the window, before training; each counts `times` (N,)."""
        for index, table in enumerate(self.layout):
            if (admission := self.admission_of(index)) is None:
                continue
            if table.multi:
                own = side.lists[table.columns[0]]
                admission.observe(own.ids[:, None], times.repeat_interleave(own.lengths))
            else:
                admission.observe(side.categorical[:, list(table.columns)], times)

    def forward(self, side: SideInput) -> list[tuple[Tensor, Tensor]]:
        """Per table: embeddings (copies, N, k, w) and present (N, k)."""
        found = []
        for index, parameter in enumerate(self.read):
            values, rows = self._rows(index, side)
            if self.on_read is not None:
                self.on_read(parameter, rows)
            sparse = self.on_read is not None
            if isinstance(values, ListInput):
                pooled = self.pooling[str(index)](parameter, rows, values, sparse=sparse)
                found.append((pooled.unsqueeze(2), values.lengths.unsqueeze(1) > 0))
            else:
                found.append((nn.functional.embedding(rows, parameter, sparse=sparse), values > 0))
        return found

    def _rows(self, index: int, side: SideInput) -> tuple[Tensor | ListInput, Tensor]:
        """Of a table of the layout: the ids (N, k), or the list, of admitted values; and their rows (copies, …)."""
        table, first = self.layout[index], self.get_buffer(f"first_{index}")
        admission = self.admission_of(index)
        if table.multi:
            own = side.lists[table.columns[0]]
            if admission is not None:
                own = own.only(admission(own.ids[:, None])[:, 0] > 0)
            return own, own.ids + first[:, :, 0]
        ids = side.categorical.index_select(1, self.get_buffer(f"columns_{index}"))  # (N, k)
        if admission is not None:
            ids = admission(ids)
        return ids, ids + first

    def admission_of(self, index: int) -> Admission | None:
        """That of a table of the layout, if one of its features asks for it."""
        admission = dict(self.admission.items()).get(str(index))
        assert admission is None or isinstance(admission, Admission)  # nn.ModuleDict has no types
        return admission
