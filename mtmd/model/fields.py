"""The fields of a tower: which column of its input matrix each feature fills, and the embedding tables.

Shapes: N rows, M numeric columns, k features of a table, w their width, D all columns, F fields.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mtmd.config import SideSchema
from mtmd.errors import ConfigError
from mtmd.features import Feature, Hashed, MultiValued
from mtmd.model.admission import Admission
from mtmd.model.batch import ListInput
from mtmd.model.pooling import ListPooling

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

    width: int
    shallow: bool
    features: tuple[Hashed, ...]
    columns: tuple[int, ...]
    offsets: tuple[int, ...]
    rows: int
    multi: bool
    shared: str | None

    @property
    def list(self) -> MultiValued:
        """The feature of a table of lists."""
        (feature,) = self.features
        assert isinstance(feature, MultiValued)  # as `_tables` groups them
        return feature


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

    def present_columns(self, domain: int) -> Tensor:
        """(D,) bool: the columns whose field the domain has."""
        return self._present[domain].repeat_interleave(torch.tensor(self.widths))

    def indicator(self) -> Tensor:
        """(F, D) float: 1 where the column belongs to the field."""
        member = torch.arange(len(self.widths)).repeat_interleave(torch.tensor(self.widths))
        return (torch.arange(len(self.widths))[:, None] == member).float()


class _Group(NamedTuple):
    """What features of one table have in common; tables are in the order of these."""

    shallow: bool
    width: int
    multi: bool
    shared: str
    list_name: str


def _tables(features: Iterable[tuple[int, Hashed]], shared: frozenset[str]) -> tuple[EmbeddingTable, ...]:
    """Group (column, feature) pairs by shallow and width, deep-only groups first; lists and shared tables apart."""
    groups: dict[_Group, list[tuple[int, Hashed]]] = {}
    for column, feature in features:
        owner = feature.hashed_as if feature.hashed_as in shared else ""
        multi = isinstance(feature, MultiValued)
        list_name = feature.name if multi else ""
        group = _Group(feature.shallow, feature.width, multi, owner, list_name)
        groups.setdefault(group, []).append((column, feature))
    tables = []
    for group, members in sorted(groups.items()):
        sizes = [feature.buckets + 1 for _, feature in members]
        if group.shared:  # all of its features read the same rows
            sizes = sizes[:1]
        tables.append(
            EmbeddingTable(
                width=group.width,
                shallow=group.shallow,
                features=tuple(feature for _, feature in members),
                columns=tuple(column for column, _ in members),
                offsets=tuple(0 if group.shared else sum(sizes[:i]) for i in range(len(members))),
                rows=sum(sizes),
                multi=group.multi,
                shared=group.shared or None,
            )
        )
    return tuple(tables)


class FieldTables(nn.Module):
    """Embedding tables of a layout's categorical fields, in `copies` independent copies.

    on_read is told tables and the rows of each that are about to be read; as long as it is set, gradients are sparse.
    read  per table of the layout its rows; a table that another module `owned` before is not a parameter of this one
    """

    on_read: Callable[[list[tuple[Tensor, Tensor]]], None] | None = None

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
            if table.multi:
                self.pooling[str(index)] = ListPooling(table.list, copies)
            if any(feature.min_count is not None for feature in table.features):
                self.admission[str(index)] = Admission(table.features, table.offsets, table.rows)
            first = torch.arange(copies)[:, None, None] * table.rows + torch.tensor(table.offsets)
            self.register_buffer(f"first_{index}", first, persistent=False)  # (copies, 1, k)
            self.register_buffer(f"columns_{index}", torch.tensor(table.columns), persistent=False)

    def check(self, categorical: Tensor, lists: Sequence[ListInput] = ()) -> None:
        """Refuse ids that belong to other declarations: they would read another feature's rows.

        Raises ConfigError naming the feature and the id.
        """
        ids_of = [
            (feature, lists[column].ids, 1) if table.multi else (feature, categorical[:, column], 0)
            for table in self.layout
            for column, feature in zip(table.columns, table.features, strict=True)
        ]
        read = [one for one in ids_of if len(one[1])]
        if not read:
            return
        # One transfer for all features: on a GPU each would wait for what is under way.
        extremes = torch.stack([torch.stack(torch.aminmax(ids)) for _, ids, _ in read]).tolist()
        for (feature, _, lowest), (low, high) in zip(read, extremes, strict=True):
            if low < lowest or high > feature.buckets:
                raise ConfigError(
                    f"feature {feature.name!r} has id {low if low < lowest else high}, which must be {lowest} to "
                    f"its {feature.buckets} buckets; encode the rows with the model's own declarations"
                )

    def observe(self, categorical: Tensor, lists: Sequence[ListInput], times: Tensor) -> None:
        """Rows of the window, before training; each counts `times` (N,)."""
        for index, admission in self.admission.items():
            table = self.layout[int(index)]
            if table.multi:
                own = lists[table.columns[0]]
                admission.observe(own.ids[:, None], times.repeat_interleave(own.lengths))  # type: ignore[operator]
            else:
                admission.observe(categorical[:, list(table.columns)], times)  # type: ignore[operator]

    def forward(self, categorical: Tensor, lists: Sequence[ListInput] = ()) -> list[tuple[Tensor, Tensor]]:
        """categorical (N, K), and the lists → per table: embeddings (copies, N, k, w) and present (N, k)."""
        found = []
        for index, parameter in enumerate(self.read):
            values, rows = self._rows(index, categorical, lists)
            if self.on_read is not None:
                self.on_read([(parameter, rows)])
            sparse = self.on_read is not None
            if isinstance(values, ListInput):
                pooled, known = self.pooling[str(index)](parameter, rows, values, sparse=sparse)
                found.append((pooled.unsqueeze(2), known.unsqueeze(1)))
            else:
                found.append((nn.functional.embedding(rows, parameter, sparse=sparse), values > 0))
        return found

    def reads(self, categorical: Tensor, lists: Sequence[ListInput] = ()) -> list[tuple[Tensor, Tensor]]:
        """What `forward` reads for these rows: tables, and the rows of each."""
        return [
            (parameter, self._rows(index, categorical, lists)[1]) for index, parameter in enumerate(self.read)
        ]

    def _rows(
        self, index: int, categorical: Tensor, lists: Sequence[ListInput]
    ) -> tuple[Tensor | ListInput, Tensor]:
        """Of a table of the layout: the ids (N, k), or the list, of admitted values; and their rows (copies, …)."""
        table, first, admission = (
            self.layout[index],
            self.get_buffer(f"first_{index}"),
            self.admission_of(index),
        )
        if table.multi:
            own = lists[table.columns[0]]
            if admission is not None:
                own = own.only(admission(own.ids[:, None])[:, 0] > 0)
            return own, own.ids + first[:, :, 0]
        ids = categorical.index_select(1, self.get_buffer(f"columns_{index}"))  # (N, k)
        if admission is not None:
            ids = admission(ids)
        return ids, ids + first

    def admission_of(self, index: int) -> Admission | None:
        """That of a table of the layout, if one of its features asks for it."""
        admission = dict(self.admission.items()).get(str(index))
        assert admission is None or isinstance(admission, Admission)  # nn.ModuleDict has no types
        return admission
