"""Weights of one model in another whose features changed: what belongs to a feature that stayed is copied, by feature.

A weight belongs to features where one of its axes has their columns, or their ids; to none otherwise. Rows of embedding
tables go by feature and id. What a new or changed feature brings keeps the values of the new model.

Not copied: what a window says of itself, which are the statistics of norms and the counts of values. Running statistics
of batches are copied: training brings them, and a domain without rows in the newest days would have none. The edges of
encoded numbers are copied, although a window gives them, because an embedding belongs to the bin that it was learned
for; but not those of a number that the earlier window never had, of which nothing was learned. Both models have the
same `[model]`, domains and tasks.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mtmd.config import Declarations, Feature, SideSchema
from mtmd.model.fields import FieldLayout

Segments = tuple[tuple[str, int], ...]  # what an axis has, in order: of whom, and how many
# keys of a feature that decide which rows are read, and not what is learned
_NO_WEIGHTS = {"min_count", "dropout"}


@dataclass(frozen=True)
class Piece:
    """What belongs together: a whole tensor, or `size` entries of one axis from `start` on."""

    name: str
    axis: int | None = None
    start: int = 0
    size: int = 0

    def of(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """A view of the piece."""
        tensor = tensors[self.name]
        return tensor if self.axis is None else tensor.narrow(self.axis, self.start, self.size)


def features_changed(old: Declarations, new: Declarations) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the features that start anew, and of those that are gone; a changed feature is among both."""
    before, after = ({_identity(f, of): f.name for f in of.features} for of in (old, new))
    return (
        tuple(name for key, name in after.items() if key not in before),
        tuple(name for key, name in before.items() if key not in after),
    )


@torch.no_grad()
def carry(
    stored: Mapping[str, Tensor], old: Declarations, target: Mapping[str, Tensor], new: Declarations
) -> tuple[str, ...]:
    """Copy into `target`, in place, what `stored` has for it; returns the names of tensors that miss some of it."""
    have = pieces(stored, old)
    missing = []
    for key, piece in pieces(target, new).items():
        source = have[key].of(stored) if key in have else None
        if source is None or source.shape != piece.of(target).shape:
            missing.append(piece.name)
        elif not _is_edges(key) or bool(source.isfinite().any()):
            piece.of(target).copy_(source)
    return tuple(dict.fromkeys(missing))


def pieces(tensors: Mapping[str, Tensor], declarations: Declarations) -> dict[str, Piece]:
    """All that is learned of a model, by what it is of: tensors of an MTMD's state."""
    tables = _owned_tables(declarations)
    layouts = {side: _layouts(schema) for side, schema in _sides(declarations)}
    found: dict[str, Piece] = {}
    for name, tensor in tensors.items():
        side, _, rest = name.partition(".")
        found |= _pieces(name, rest, tensor.shape, layouts[side], declarations, tables)
    return found


def _sides(declarations: Declarations) -> tuple[tuple[str, SideSchema], ...]:
    return ("query", declarations.query), ("item", declarations.item)


def _layouts(schema: SideSchema) -> tuple[FieldLayout, ...]:
    """That of the tower, then those of its domains."""
    return FieldLayout(schema), *(FieldLayout(schema, domain) for domain in range(len(schema.domains)))


def _pieces(
    name: str,
    rest: str,
    shape: torch.Size,
    layouts: Sequence[FieldLayout],
    declarations: Declarations,
    tables: Mapping[str, Segments],
) -> dict[str, Piece]:
    layout = layouts[0]
    of = partial(_identity, declarations=declarations)
    if re.match(r"adaptation\.(domains\.\d+\.norm\.(count|mean|squares)|tables\.admission\.)", rest):
        return {}
    if name in tables:
        return _split("rows", name, 0, tables[name])
    if match := re.match(r"adaptation\.tables\.pooling\.(\d+)\.(.+)", rest):
        return {f"pooling {of(layout.tables[int(match[1])].features[0])} {match[2]}": Piece(name)}
    if match := re.match(r"adaptation\.encodings\.groups\.(\d+)\.(weight|bias|edges)", rest):
        segments = tuple((of(feature), 1) for feature in layout.encoded[int(match[1])].features)
        return _split(f"number {match[2]}", name, {"weight": 1, "bias": 2, "edges": 0}[match[2]], segments)
    candidates = list(_axes(layout, of))
    # with `inputs = "own"` it reads its domain's fields alone
    if match := re.match(r"experts\.(\d+)\.", rest):
        candidates += _axes(layouts[1 + int(match[1])], of)
    for pattern, axis, segments in candidates:
        if re.fullmatch(pattern, rest) and shape[axis] == sum(size for _, size in segments):
            return _split(name, name, axis, segments)
    return {name: Piece(name)}


def _axes(layout: FieldLayout, of: Callable[[Feature], str]) -> Iterator[tuple[str, int, Segments]]:
    """Which axis of which tensors may have columns of features, and whose."""
    columns = tuple((of(f), width) for f, width in zip(layout.fields, layout.widths, strict=True))
    numeric = sum(feature.kind != "categorical" and feature.encoding is None for feature in layout.fields)
    shallow = sum(len(table.features) for table in layout.tables if table.shallow)
    fields = tuple((name, 1) for name, _ in columns)
    yield r"adaptation\.domains\.\d+\.(gain|shift|norm\.(first|second|weight))", 0, columns[:numeric]
    yield r"adaptation\.domains\.\d+\.default", 0, columns
    yield r"adaptation\.domains\.\d+\.default", 0, columns[numeric:]  # missing numbers may be 0
    yield r"adaptation\.domains\.\d+\.squeeze\.weight", 1, fields
    yield r"adaptation\.domains\.\d+\.excite\.(weight|bias)", 0, fields
    yield r"(experts\.\d+\.(experts|routers)|shared)\.weights\.0", 1, columns
    yield r"experts\.\d+\.shallow\.weights\.0", 1, columns[len(columns) - shallow :]


def _split(key: str, name: str, axis: int, segments: Segments) -> dict[str, Piece]:
    found, start = {}, 0
    for owner, size in segments:
        found[f"{key} {owner}"] = Piece(name, axis, start, size)
        start += size
    return found


def _owned_tables(declarations: Declarations) -> dict[str, Segments]:
    """Name of each embedding table, and whose rows it has; a table of both towers is the query tower's."""
    found: dict[str, Segments] = {}
    taken: set[str] = set()
    for side, schema in (("query", declarations.query), ("item", declarations.item)):
        index = 0
        for table in FieldLayout(schema).tables:
            if table.shared in taken:  # two lists of one side may read it, too
                continue
            members = table.features[:1] if table.shared else table.features
            owners = [_owner(feature, declarations) for feature in members]
            rows = tuple((_identity(owner, declarations), (owner.buckets or 0) + 1) for owner in owners)
            found[f"{side}.adaptation.tables.tables.{index}"] = rows
            index += 1
            if table.shared is not None:
                taken.add(table.shared)
    return found


def _owner(feature: Feature, declarations: Declarations) -> Feature:
    """The feature whose table it reads."""
    if feature.table is None:
        return feature
    return next(f for f in declarations.features if f.name == feature.table and f.table is None)


def _is_edges(key: str) -> bool:
    return key.startswith("number edges ")


def _identity(feature: Feature, declarations: Declarations) -> str:
    """What a feature is, as far as weights depend on it; also the feature whose table it reads, whose rows go by that
    feature, and whether its values are hashed as UUIDs.
    """
    hashed = " uuid" if feature.hashed_as in declarations.uuid_tables else ""
    owner = "" if feature.table is None else f" {_identity(_owner(feature, declarations), declarations)}"
    return feature.model_dump_json(exclude=_NO_WEIGHTS) + hashed + owner
