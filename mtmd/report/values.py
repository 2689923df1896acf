"""Values of categorical features that are new in a model's window, or gone from it: ads, users and categories.

A value counts as its hash, as models read it: two values in one bucket are one. A missing value is none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations
from mtmd.errors import MtmdError
from mtmd.extract.shards import Days, open_shard
from mtmd.registry.bundle import load_bundle
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.store.workspace import Workspace

_Column = tuple[str, str]  # side and name of a feature: both sides may have one of the same name
_Values = dict[_Column, NDArray[np.integer]]


@dataclass(frozen=True)
class ValueChange:
    """How many values of a feature two windows have: in the later one alone, in the earlier one alone, and in both."""

    feature: str
    new: int
    gone: int
    both: int

    @property
    def share(self) -> float:
        """Of the later window's values that are new."""
        return self.new / (self.new + self.both) if self.new + self.both else 0.0


def value_changes(
    workspace: Workspace, days: Days, declarations: Declarations, champion: str
) -> tuple[tuple[ValueChange, ...], str]:
    """The window's values beside those of the champion's window, ids first; and why there are none, where so."""
    try:
        return _compared(workspace, days, declarations, champion)
    except MtmdError as error:
        return (), f"not recorded: {error}"


def _compared(
    workspace: Workspace, days: Days, declarations: Declarations, champion: str
) -> tuple[tuple[ValueChange, ...], str]:
    registry = Registry(workspace.root)
    theirs = load_bundle(registry.path(champion)).declarations
    places = _places(workspace, registry.manifest(champion))
    gone = [day for day, place in places.items() if not place.is_dir()]
    if gone:
        return (
            (),
            f"not recorded: the shards of {len(gone)} of the champion's {len(places)} training days are gone",
        )
    if theirs.hash_seed != declarations.hash_seed:
        return (), "not comparable: the champion hashes values in another way (hash_seed)"
    columns = _shared(declarations, theirs)
    window = [Path(shard.path) for shard in days.window]
    # Most days are in both windows, and a shard's name stands for the features that it was made with too.
    read = {place: _of_shard(place, theirs, columns) for place in places.values()}
    read |= {place: _of_shard(place, declarations, columns) for place in window if place not in read}
    own = _union((read[place] for place in window), columns)
    before = _union((read[place] for place in places.values()), columns)
    names = [name for _, name in columns]
    changes = [
        _change(name if names.count(name) == 1 else f"{side}.{name}", own[side, name], before[side, name])
        for side, name in columns
    ]
    return tuple(sorted(changes, key=lambda change: change.feature not in {"ad_id", "user_id"})), ""


def _places(workspace: Workspace, manifest: ModelManifest) -> dict[date, Path]:
    """Where the shards of a model's window are, if they are still there."""
    return {
        day: workspace.shards / f"date={day.isoformat()}" / fingerprint[:16]
        for day, fingerprint in manifest.window.items()
    }


def _shared(one: Declarations, other: Declarations) -> list[_Column]:
    """Categorical features that both declare alike."""
    theirs = {feature for schema in (other.query, other.item) for feature in schema.categorical}
    return [
        (schema.side, feature.name)
        for schema in (one.query, one.item)
        for feature in schema.categorical
        if feature in theirs
    ]


def _union(shards: Iterable[_Values], columns: list[_Column]) -> _Values:
    parts = list(shards)
    return {column: np.unique(np.concatenate([[0], *(part[column] for part in parts)])) for column in columns}


def _of_shard(place: Path, declarations: Declarations, columns: list[_Column]) -> _Values:
    """Every value of each feature in a shard, each once."""
    shard = open_shard(place)
    return {
        (schema.side, feature.name): np.unique(side.categorical[:, column])
        for schema, side in ((declarations.query, shard.query), (declarations.item, shard.item))
        for column, feature in enumerate(schema.categorical)
        if (schema.side, feature.name) in columns
    }


def _change(name: str, own: NDArray[np.integer], before: NDArray[np.integer]) -> ValueChange:
    both = len(np.intersect1d(own, before, assume_unique=True)) - 1  # 0 is a missing value
    return ValueChange(name, len(own) - 1 - both, len(before) - 1 - both, both)
