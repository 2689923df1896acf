"""Two versions of one day, row by row: which columns differ in which domain, in how many rows, and what became of them.

Rows are matched by their ids, so a day whose rows only stand in another order has not changed. R requests, A ads,
P candidates of the later version; of them M are in both versions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations, Domains, Feature, SideSchema
from mtmd.extract.shards import Shard
from mtmd.logs.encoding import EncodedSide
from mtmd.logs.lists import EncodedList

ROWS = "rows"  # the name of what is no column: rows that only one version has
_Array = NDArray[Any]
_Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Values:
    """A column in a domain: rows, how many of them have no value, and the sum of the others where it is a number."""

    rows: int
    missing: int = 0
    total: float | None = None

    def __add__(self, other: "Values") -> "Values":
        total = None if self.total is None or other.total is None else self.total + other.total
        return Values(self.rows + other.rows, self.missing + other.missing, total)

    @property
    def mean(self) -> float | None:
        """Of the rows that have a value."""
        present = self.rows - self.missing
        return self.total / present if self.total is not None and present else None

    @property
    def missing_share(self) -> float:
        return self.missing / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Change:
    """A column of a table in one domain: how many of the rows that both versions have differ, and both versions.

    `column` is ROWS where rows came or went; `changed` then counts both, and the versions only have their rows.
    """

    table: str
    column: str
    where: str
    changed: int
    before: Values
    after: Values

    def __add__(self, other: "Change") -> "Change":
        """The same column in the same domain, of two days."""
        changed = self.changed + other.changed
        before, after = self.before + other.before, self.after + other.after
        return Change(self.table, self.column, self.where, changed, before, after)

    @property
    def share(self) -> float:
        """Of the rows that changed."""
        return min(1.0, self.changed / self.before.rows) if self.before.rows else 1.0

    @property
    def size(self) -> float:
        """How far the mean or the share of missing values moved, from 0 to 1: the larger of the two."""
        if self.column == ROWS:
            return self.share
        moved = abs(self.after.missing_share - self.before.missing_share)
        before, after = self.before.mean, self.after.mean
        if before is not None and after is not None and (most := max(abs(before), abs(after))):
            moved = max(moved, min(1.0, abs(after - before) / most))
        return moved


def shard_changes(
    before: Shard, theirs: Declarations, after: Shard, declarations: Declarations
) -> Iterator[Change]:
    """What differs between two shards of a day; of features, those that both declarations declare alike.

    Both have the same surfaces, products and tasks: see `comparable`.
    """
    domains = declarations.domains
    sides = (
        ("requests", before.query, after.query, theirs.query, declarations.query),
        ("ads", before.item, after.item, theirs.item, declarations.item),
    )
    keys = {
        "requests": (_keys(before.request_id, before.surface), _keys(after.request_id, after.surface)),
        "ads": (_keys(before.ad_id, before.product), _keys(after.ad_id, after.product)),
    }
    places = {}
    for table, old, new, their_schema, schema in sides:
        (old_ids, old_domain), (new_ids, new_domain) = keys[table]
        places[table] = place = _places(old_ids, new_ids)
        key = "surface" if table == "requests" else "product"
        rows = _Matched(table, schema.domains, place, old_domain, new_domain)
        yield from rows.come_and_gone()
        yield from rows.column(key, _whole(old_domain), _whole(new_domain))
        yield from _features(rows, old, new, their_schema, schema)
    yield from _candidates(before, after, places, domains)


def comparable(one: Declarations, other: Declarations) -> bool:
    """Whether shards of both mean the same by an index of a surface, a product or a task."""
    return all(
        getattr(one.domains, name) == getattr(other.domains, name) for name in ("surfaces", "products")
    ) and [(task.name, task.label) for task in one.domains.tasks] == [
        (task.name, task.label) for task in other.domains.tasks
    ]


def _keys(ids: Any, domain: Any) -> tuple[_Array, _Array]:
    return ids.numpy(), domain.numpy().astype(np.int64)


def _places(before: _Array, after: _Array) -> NDArray[np.int64]:
    """(N,) the row of each later id in the earlier version, or −1."""
    if not len(before):
        return np.full(len(after), -1)
    order = np.argsort(before, kind="stable")
    found = order[np.minimum(np.searchsorted(before, after, sorter=order), len(before) - 1)]
    return np.where(before[found] == after, found, -1)


@dataclass(frozen=True)
class _Column:
    """One version of a column: (N,), or (N, W) with several numbers a row, and which of the N rows have no value."""

    values: _Array
    missing: _Flags
    is_number: bool = False


def _total(values: _Array | None, rows: _Flags) -> float | None:
    return None if values is None else float(values[rows].sum(dtype=np.float64))


class _Matched:
    """The rows of a table in both versions, with the domain of each."""

    def __init__(
        self, table: str, names: Sequence[str], places: _Array, old_domain: _Array, new_domain: _Array
    ) -> None:
        self.table, self.names = table, names
        self.new = np.flatnonzero(places >= 0)  # (M,) rows of the later version
        self.old = places[self.new]  # (M,) the same rows in the earlier one
        self.domain = new_domain[self.new]  # (M,)
        self._counts = [self._count(domain) for domain in (old_domain, new_domain)]
        self._kept = [self._count(old_domain[self.old]), self._count(self.domain)]

    def come_and_gone(self) -> Iterator[Change]:
        """Rows that only one version has, domain by domain."""
        before, after = self._counts
        for place, where in enumerate(self.names):
            changed = before[place] - self._kept[0][place] + after[place] - self._kept[1][place]
            if changed:
                old, new = Values(int(before[place])), Values(int(after[place]))
                yield Change(self.table, ROWS, where, int(changed), old, new)

    def column(self, name: str, old: "_Column", new: "_Column") -> Iterator[Change]:
        """A column of both versions; NaN equals NaN."""
        one, other = old.values[self.old], new.values[self.new]
        differs = (one != other) & ~((one != one) & (other != other))  # noqa: PLR0124 - NaN
        differs = differs.any(axis=1) if differs.ndim > 1 else differs
        gone = old.missing[self.old], new.missing[self.new]
        yield from self.changes(name, differs, gone, (one, other) if new.is_number else None)

    def changes(
        self,
        name: str,
        differs: _Flags,
        missing: tuple[_Flags, _Flags],
        numbers: tuple[_Array, _Array] | None,
    ) -> Iterator[Change]:
        """Of a column's M rows: in which domains it differs."""
        changed, rows = self._count(self.domain[differs]), self._count(self.domain)
        for place, where in enumerate(self.names):
            if changed[place]:
                own = self.domain == place
                before, after = (
                    Values(int(rows[place]), int(gone[own].sum()), _total(version, own & ~gone))
                    for gone, version in zip(missing, numbers or (None, None), strict=True)
                )
                yield Change(self.table, name, where, int(changed[place]), before, after)

    def _count(self, domain: _Array) -> NDArray[np.int64]:
        return np.bincount(domain, minlength=len(self.names))


def _features(
    rows: _Matched, old: EncodedSide, new: EncodedSide, theirs: SideSchema, schema: SideSchema
) -> Iterator[Change]:
    def pairs(mine: Sequence[Feature], their: Sequence[Feature]) -> Iterator[tuple[str, int, int]]:
        known = {feature: place for place, feature in enumerate(their)}
        return ((f.name, known[f], place) for place, f in enumerate(mine) if f in known)

    logarithms = {feature.name for feature in schema.continuous if feature.log1p}
    for name, a, b in pairs(schema.continuous, theirs.continuous):
        versions = (old.continuous[:, a], new.continuous[:, b])
        as_logged = map(_as_logged, versions) if name in logarithms else versions
        yield from rows.column(name, *map(_number, as_logged))
    for name, a, b in pairs(schema.categorical, theirs.categorical):
        yield from rows.column(name, _category(old.categorical[:, a]), _category(new.categorical[:, b]))
    for name, a, b in pairs(schema.embedding, theirs.embedding):
        yield from rows.column(name, _vector(old, theirs, a), _vector(new, schema, b))
    for name, a, b in pairs(schema.lists, theirs.lists):
        lists = old.lists[a].take(rows.old), new.lists[b].take(rows.new)
        empty = lists[0].length == 0, lists[1].length == 0
        yield from rows.changes(name, _lists_differ(*lists), empty, None)


def _whole(values: _Array) -> _Column:
    return _Column(values, np.zeros(len(values), bool))


def _number(values: _Array) -> _Column:
    return _Column(values, np.isnan(values), is_number=True)


def _as_logged(values: _Array) -> _Array:
    """The numbers of the logs, of a feature that shards keep as sign(x) · ln(1 + |x|)."""
    return np.asarray(np.sign(values) * np.expm1(np.abs(values, dtype=np.float64)))


def _category(values: _Array) -> _Column:
    return _Column(values, values == 0)


def _flag(values: _Array) -> _Column:
    """1 or 0, and −1 where nothing is known."""
    return _Column(values, values < 0, is_number=True)


def _vector(side: EncodedSide, schema: SideSchema, place: int) -> _Column:
    start = sum(feature.width for feature in schema.embedding[:place])
    values = side.embedding[:, start : start + schema.embedding[place].width]
    return _Column(values, np.asarray(np.isnan(values).any(axis=1)))


def _lists_differ(before: EncodedList, after: EncodedList) -> _Flags:
    """(M,) whether a row's list has other values, or what is beside them; both as `take` returns them."""
    differs = before.length != after.length
    rows = np.flatnonzero(~differs & (before.length > 0))
    one, other = before.take(rows), after.take(rows)
    unequal = np.zeros(len(one.ids), bool)
    for name, values in one.values.items():
        unequal |= values != other.values[name]
    if len(rows):
        differs[rows] = np.logical_or.reduceat(unequal, one.start)
    return np.asarray(differs)


def _candidates(before: Shard, after: Shard, places: dict[str, _Array], domains: Domains) -> Iterator[Change]:
    request, ad = after.request_row.numpy(), after.ad_row.numpy()
    old_request, old_ad = places["requests"][request], places["ads"][ad]
    there = (old_request >= 0) & (old_ad >= 0)
    # Both orders are by request, then ad: a pair is one number.
    old = before.request_row.numpy().astype(np.int64) * max(before.ads, 1) + before.ad_row.numpy()
    new = np.where(there, old_request * max(before.ads, 1) + old_ad, -1)
    products = len(domains.products)
    names = [f"{surface} × {product}" for surface in domains.surfaces for product in domains.products]
    rows = _Matched(
        "candidates",
        names,
        _places(old, new),
        before.domain(products).numpy(),
        after.domain(products).numpy(),
    )
    yield from rows.come_and_gone()
    for place, task in enumerate(domains.tasks):
        scores = (_number(version.teacher.numpy()[:, place]) for version in (before, after))
        yield from rows.column(f"teacher score {task.name}", *scores)
    for label, place in {task.label: place for place, task in enumerate(domains.tasks)}.items():
        labels = (_flag(version.labels.numpy()[:, place]) for version in (before, after))
        yield from rows.column(label, *labels)
    yield from rows.column("impressed", _flag(before.impressed.numpy()), _flag(after.impressed.numpy()))
    yield from rows.column("position", _flag(before.position.numpy()), _flag(after.position.numpy()))
    yield from rows.column("explored", _flag(before.explored.numpy()), _flag(after.explored.numpy()))
