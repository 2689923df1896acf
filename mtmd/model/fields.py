"""The fields of a tower: which column of its input matrix each feature fills, and the embedding tables.

Shapes: N rows, M numeric columns, k features of a table, w their width, D all columns, F fields.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtmd.config import Feature, SideSchema
from mtmd.errors import ConfigError

EMBEDDING_STD = 0.05


@dataclass(frozen=True)
class EmbeddingTable:
    """Categorical features of equal width, whose embeddings are rows of one table.

    columns   of SideInput.categorical
    offsets   first table row of each feature; its id i is row offset + i, and id 0 (missing) is never read
    """

    width: int
    shallow: bool
    features: tuple[Feature, ...]
    columns: tuple[int, ...]
    offsets: tuple[int, ...]
    rows: int


class FieldLayout:
    """Column order of a tower's input: numbers, then vectors, then deep-only, then shallow categoricals.

    Shallow fields come last so that the shallow experts' input is a view. With `domain` the layout has only
    the fields of that domain, otherwise all of the tower's.
    """

    def __init__(self, schema: SideSchema, domain: int | None = None) -> None:
        present = schema.present
        kept = {f for i, f in enumerate(schema.fields) if domain is None or present[domain, i]}
        self.tables = _tables((i, f) for i, f in enumerate(schema.categorical) if f in kept)
        self.numeric_columns: list[int] = []
        fields: list[Feature] = []
        widths: list[int] = []
        start = 0
        for feature in (*schema.continuous, *schema.embedding):
            width = feature.width if feature.kind == "embedding" else 1
            if feature in kept:
                self.numeric_columns += range(start, start + width)
                fields.append(feature)
                widths.append(width)
            start += width
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


def _tables(features: Iterable[tuple[int, Feature]]) -> tuple[EmbeddingTable, ...]:
    """Group (column, feature) pairs by (shallow, width), deep-only groups first."""
    groups: dict[tuple[bool, int], list[tuple[int, Feature]]] = {}
    for column, feature in features:
        groups.setdefault((feature.shallow, feature.width), []).append((column, feature))
    tables = []
    for (shallow, width), members in sorted(groups.items()):
        sizes = [(feature.buckets or 0) + 1 for _, feature in members]
        tables.append(
            EmbeddingTable(
                width=width,
                shallow=shallow,
                features=tuple(feature for _, feature in members),
                columns=tuple(column for column, _ in members),
                offsets=tuple(sum(sizes[:i]) for i in range(len(sizes))),
                rows=sum(sizes),
            )
        )
    return tuple(tables)


class FieldTables(nn.Module):
    """Embedding tables of a layout's categorical fields, in `copies` independent copies.

    on_read is told a table and the rows that are about to be read; as long as it is set, gradients are sparse.
    """

    on_read: Callable[[Tensor, Tensor], None] | None = None

    def __init__(self, layout: FieldLayout, copies: int = 1) -> None:
        super().__init__()
        self.layout = layout.tables
        self.tables = nn.ParameterList(
            nn.Parameter(torch.randn(copies * table.rows, table.width) * EMBEDDING_STD)
            for table in layout.tables
        )
        for index, table in enumerate(layout.tables):
            first = torch.arange(copies)[:, None, None] * table.rows + torch.tensor(table.offsets)
            self.register_buffer(f"first_{index}", first, persistent=False)  # (copies, 1, k)
            self.register_buffer(f"columns_{index}", torch.tensor(table.columns), persistent=False)

    def check(self, categorical: Tensor) -> None:
        """Refuse ids that belong to other declarations: they would read another feature's rows.

        Raises ConfigError naming the feature and the id.
        """
        if not len(categorical):
            return
        for table in self.layout:
            for column, feature in zip(table.columns, table.features, strict=True):
                low, high = (int(value) for value in torch.aminmax(categorical[:, column]))
                if low < 0 or high > (feature.buckets or 0):
                    raise ConfigError(
                        f"feature {feature.name!r} has id {low if low < 0 else high}, which must be 0 to "
                        f"its {feature.buckets} buckets; encode the rows with the model's own declarations"
                    )

    def forward(self, categorical: Tensor) -> list[tuple[Tensor, Tensor]]:
        """categorical (N, K) → per table: embeddings (copies, N, k, w) and present (N, k)."""
        found = []
        for index, table in enumerate(self.tables):
            ids = categorical.index_select(1, self.get_buffer(f"columns_{index}"))  # (N, k)
            rows = ids + self.get_buffer(f"first_{index}")  # (copies, N, k)
            if self.on_read is not None:
                self.on_read(table, rows)
            found.append((nn.functional.embedding(rows, table, sparse=self.on_read is not None), ids > 0))
        return found
