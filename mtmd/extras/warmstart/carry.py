"""Weights of one MTMD in another whose features changed: what belongs to a feature that stayed is copied, by feature.

A weight belongs to features where one of its axes has their columns, or their ids; to none otherwise. Rows of embedding
tables go by feature and id. What a new or changed feature brings keeps the values of the new model.

Not copied: what a window says of itself, which are the statistics of norms and the counts of values. Running statistics
of batches are copied: training brings them, and a domain without rows in the newest days would have none. Both models
have the same `[model]`, domains and tasks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from mtmd.config import Declarations
from mtmd.features import Feature, Hashed
from mtmd.model.adaptation import DomainFields
from mtmd.model.admission import Admission
from mtmd.model.experts import DomainExpert
from mtmd.model.fields import FieldTables
from mtmd.model.norms import MaskedBatchNorm, WindowNorm
from mtmd.model.towers import Tower
from mtmd.model.two_tower import MTMD

Segments = tuple[tuple[str, int], ...]  # what an axis has, in order: of whom, and how many
# keys of a feature that decide which rows are read, and not what is learned
_NO_WEIGHTS = {"min_count", "dropout"}


@dataclass(frozen=True)
class Piece:
    """What belongs together: a whole tensor of a model's state, or `size` entries of one axis from `start` on."""

    name: str
    axis: int | None = None
    start: int = 0
    size: int = 0

    def of(self, tensors: Mapping[str, Tensor]) -> Tensor | None:
        """A view of the piece; None where the tensors lack it."""
        tensor = tensors.get(self.name)
        if tensor is None or self.axis is None:
            return tensor
        return tensor.narrow(self.axis, self.start, self.size)


def features_changed(old: Declarations, new: Declarations) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the features that start anew, and of those that are gone; a changed feature is among both."""
    before, after = ({_identity(f, of): f.name for f in of.features} for of in (old, new))
    return (
        tuple(name for key, name in after.items() if key not in before),
        tuple(name for key, name in before.items() if key not in after),
    )


@torch.no_grad()
def carry(
    stored: Mapping[str, Tensor],
    have: Mapping[str, Piece],
    target: Mapping[str, Tensor],
    wanted: Mapping[str, Piece],
) -> tuple[str, ...]:
    """Copy the wanted pieces from `stored` into `target`, in place; names of tensors that miss some of it."""
    missing = []
    for key, piece in wanted.items():
        into, source = piece.of(target), have[key].of(stored) if key in have else None
        if into is None:
            continue
        if source is None or source.shape != into.shape:
            missing.append(piece.name)
        else:
            into.copy_(source)
    return tuple(dict.fromkeys(missing))


def learned(model: MTMD, declarations: Declarations) -> dict[str, Piece]:
    """All that is learned of a model, by what it is of."""
    found: dict[str, Piece] = {}
    state = model.state_dict()
    for side, tower in (("query", model.query), ("item", model.item)):
        assert isinstance(tower, Tower)  # nn.Module has no types
        split = {id(tensor): (axis, segments) for tensor, axis, segments in _by_feature(tower, declarations)}
        tables = {id(tensor): segments for tensor, segments in _table_rows(tower, declarations)}
        lists, observed = _list_owners(tower, declarations), {id(tensor) for tensor in _observed(tower)}
        for rest, tensor in (*tower.named_parameters(), *tower.named_buffers()):
            name = f"{side}.{rest}"
            if id(tensor) in observed or name not in state:
                continue
            if id(tensor) in tables:
                found |= _split("rows", name, 0, tables[id(tensor)])
            elif id(tensor) in lists:
                found[f"{lists[id(tensor)]} {rest.rsplit('pooling.', 1)[1].partition('.')[2]}"] = Piece(name)
            elif id(tensor) in split:
                found |= _split(name, name, *split[id(tensor)])
            else:
                found[name] = Piece(name)
    return found


def _by_feature(tower: Tower, declarations: Declarations) -> Iterator[tuple[Tensor, int, Segments]]:
    """Tensors of which an axis has columns, or fields, of features."""
    layout = tower.adaptation.layout
    columns = tuple(
        (_identity(f, declarations), width) for f, width in zip(layout.fields, layout.widths, strict=True)
    )
    numeric = columns[: sum(not isinstance(feature, Hashed) for feature in layout.fields)]
    shallow = columns[len(columns) - sum(len(table.features) for table in layout.tables if table.shallow) :]
    for fields in tower.adaptation.domains:
        assert isinstance(fields, DomainFields)
        yield from ((tensor, 0, numeric) for tensor in (fields.gain, fields.shift))
        yield fields.default, 0, columns
        if isinstance(norm := fields.norm, MaskedBatchNorm):
            yield from ((tensor, 0, numeric) for tensor in (norm.first, norm.second, norm.weight))
        if fields.gated:
            of_fields = tuple((owner, 1) for owner, _ in columns)
            yield fields.squeeze.weight, 1, of_fields
            yield from ((tensor, 0, of_fields) for tensor in (fields.excite.weight, fields.excite.bias))
    if tower.shared is not None:
        yield tower.shared.weights[0], 1, columns
    for expert in tower.experts:
        assert isinstance(expert, DomainExpert)
        stacks = ((expert.experts, columns), (expert.routers, columns), (expert.shallow, shallow))
        yield from ((stack.weights[0], 1, owners) for stack, owners in stacks if stack is not None)


def _table_rows(tower: Tower, declarations: Declarations) -> Iterator[tuple[Tensor, Segments]]:
    """Embedding tables, and whose rows each has: those of the feature whose table it is."""
    tables = tower.adaptation.tables
    for table, rows in zip(tables.layout, tables.read, strict=True):
        members = table.features[:1] if table.shared else table.features
        owners = [_owner(feature, declarations) for feature in members]
        yield rows, tuple((_identity(owner, declarations), owner.buckets + 1) for owner in owners)


def _list_owners(tower: Tower, declarations: Declarations) -> dict[int, str]:
    """What is learned of a list's pooling, by the list."""
    tables: FieldTables = tower.adaptation.tables
    return {
        id(parameter): f"pooling {_identity(tables.layout[int(place)].features[0], declarations)}"
        for place, pooling in tables.pooling.items()
        for parameter in pooling.parameters()
    }


def _observed(tower: nn.Module) -> Iterator[Tensor]:
    """What a window says of itself."""
    for module in tower.modules():
        if isinstance(module, WindowNorm | Admission):
            yield from module.buffers()


def _split(key: str, name: str, axis: int, segments: Segments) -> dict[str, Piece]:
    starts = accumulate((size for _, size in segments), initial=0)
    return {
        f"{key} {owner}": Piece(name, axis, start, size)
        for (owner, size), start in zip(segments, starts, strict=False)
    }


def _owner(feature: Hashed, declarations: Declarations) -> Hashed:
    """The feature whose table it reads."""
    if feature.table is None:
        return feature
    hashed = (f for f in declarations.features if isinstance(f, Hashed))
    return next(f for f in hashed if f.name == feature.table and f.table is None)


def _identity(feature: Feature, declarations: Declarations) -> str:
    """What a feature is, as far as weights depend on it; also the feature whose table it reads, whose rows go by that
    feature, and whether its values are hashed as UUIDs.
    """
    own = feature.model_dump_json(exclude=_NO_WEIGHTS)
    if not isinstance(feature, Hashed):
        return own
    hashed = " uuid" if feature.hashed_as in declarations.uuid_tables else ""
    owner = "" if feature.table is None else f" {_identity(_owner(feature, declarations), declarations)}"
    return own + hashed + owner
