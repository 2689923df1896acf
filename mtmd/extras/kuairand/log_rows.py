"""What a teacher reads of any contract logs.

A heavyweight ranker sees request and ad together, as a two-tower model cannot: how this user took to this category of
ads, how this ad does on this surface. Its inputs are bounded:

- fields: user, ad, surface, product, hour, domain and every categorical feature with one value;
- numbers: the hour on a circle, continuous features, vectors of up to 16 components, and cosines of vectors;
- histories: of user, ad and the first 8 categories of ads; of `_CROSSES`; of user × each of those categories that has
  at most 1,000 values.

Shapes: N candidates, R requests, A ads, M numbers, T tasks.
"""

from collections.abc import Iterator, Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.config import Declarations, SideSchema
from mtmd.extras.kuairand.rows import (
    EPOCH,
    Bools,
    Floats,
    Ints,
    PastRates,
    TeacherInputs,
    TeachingRows,
    coded,
)
from mtmd.logs.encoding import encode

_CROSSES = (
    ("user", "surface"), ("user", "product"), ("ad", "surface"), ("surface", "product"), ("hour", "surface"),
)  # fmt: skip
_MOST_VALUES = 100_000  # of a field that have an embedding each: those with most rows
_MOST_CATEGORIES, _MOST_CROSSED, _NARROW = 8, 1_000, 16
_ID_VALUES = 1_000  # of a field above which its values are hidden at times, as new ones will be
_FURTHEST = 8.0  # standard deviations of a number
_PRIOR = 0.05  # rate of every task before anything was logged; the first day's rows only


class LogRows:
    """Candidates of any contract logs, day after day, oldest first, in the order of their tables."""

    def __init__(self, declarations: Declarations) -> None:
        self._declarations = declarations
        self._codes: dict[str, list[pa.Array]] = {}
        self._numbers: list[NDArray[np.float32]] = []
        self._outcomes: list[tuple[Ints, Bools, Bools, Bools]] = []

    def add(self, day: date, tables: Mapping[str, pa.Table]) -> None:
        """Read a day's three tables, whose keys are sound; raises LogsError for features that are not as declared."""
        requests, ads, candidates = tables["requests"], tables["ads"], tables["candidates"]
        domains = self._declarations.domains
        request, ad = (
            _rows_of(candidates[key], table[key]) for key, table in (("request_id", requests), ("ad_id", ads))
        )
        hour, product = pc.hour(requests["ts"]), _rows_of(ads["product"], pa.array(domains.products))
        sides = ((self._declarations.query, requests, request), (self._declarations.item, ads, ad))
        columns = {
            "user": (requests["user_id"], request),
            "ad": (ads["ad_id"], ad),
            "surface": (requests["surface"], request),
            "product": (ads["product"], ad),
            "hour": (hour, request),
        } | {
            f"{schema.side}.{feature.name}": (table[feature.name], rows)
            for schema, table, rows in sides
            for feature in schema.categorical
            if feature.name not in {"user_id", "ad_id"}
        }
        for field, (column, rows) in columns.items():
            self._codes.setdefault(field, []).append(
                column.combine_chunks().dictionary_encode().take(pa.array(rows))
            )
        angle = 2 * np.pi * hour.to_numpy()[request] / 24
        self._numbers.append(np.column_stack([np.sin(angle), np.cos(angle), *_numbers(*sides)]))
        exists = np.array(
            [[domains.has_task(name, task) for task in domains.tasks] for name in domains.products]
        )
        said = [candidates[task.label] for task in domains.tasks]
        labels = np.stack([_booleans(column) for column in said], axis=1)
        known = exists[product[ad]] & _booleans(candidates["impressed"])[:, None]
        known &= np.stack([pc.is_valid(column).to_numpy() for column in said], axis=1)
        days = np.full(len(request), (day - EPOCH).days, np.int64)
        self._outcomes.append((days, exists[product[ad]], known, labels & known))

    def exists(self) -> Bools:
        """(N, T) whether the ad's product has the task."""
        return np.concatenate([exists for _, exists, _, _ in self._outcomes])

    def teaching(self) -> TeachingRows:
        """What happened; a label that is null teaches nothing."""
        day, _, known, labels = (np.concatenate(parts) for parts in zip(*self._outcomes, strict=True))
        names = self._declarations.domains.task_names
        # Also where modelling is not constrained: scores must follow the tree anyway.
        tasks = self._declarations.domains.tasks
        parents = tuple(None if task.parent is None else names.index(task.parent) for task in tasks)
        return TeachingRows(day, labels, known, names, parents)

    def inputs(self, rows: TeachingRows) -> TeacherInputs:
        """Codes and numbers of every row; of outcomes nothing of the row's own day, and nothing later."""
        codes = {
            field: coded(pa.chunked_array(parts).unify_dictionaries()) for field, parts in self._codes.items()
        }
        past = PastRates(rows, np.full(len(rows.tasks), _PRIOR))
        numbers = np.concatenate(self._numbers)
        fields = codes | {"domain": (codes["surface"] - 1) * int(codes["product"].max()) + codes["product"]}
        fields = {field: _most_frequent(values) for field, values in fields.items()}
        ids = [
            name for name, values in fields.items() if name in {"user", "ad"} or values.max() >= _ID_VALUES
        ]
        return TeacherInputs.of(
            fields,
            ids,
            map(_standardised, numbers.T),
            past.numbers(self._keys(codes)),
            past.level(codes["surface"], fields["domain"]),
        )

    def _keys(self, codes: Mapping[str, Ints]) -> Iterator[tuple[str, Ints]]:
        """(N,) one number for the values of a history's fields; -1 where one is missing."""
        categories = [name for name in codes if name.startswith("item.")][:_MOST_CATEGORIES]
        narrow = [name for name in categories if codes[name].max() <= _MOST_CROSSED]
        single = [(name,) for name in ("user", "ad", *categories)]
        for fields in (*single, *_CROSSES, *(("user", name) for name in narrow)):
            key, missing = np.zeros(len(codes["user"]), np.int64), np.zeros(len(codes["user"]), np.bool_)
            for field in fields:
                key = key * (int(codes[field].max()) + 1) + codes[field]
                missing |= codes[field] == 0
            yield " × ".join(fields), np.where(missing, -1, key)


Side = tuple[SideSchema, pa.Table, Ints]  # a table of R or A rows, and which of them each candidate has


def _numbers(query: Side, item: Side) -> Iterator[NDArray[np.float32]]:
    """(N, …) float32, NaN where missing: continuous features and narrow vectors of each side, then cosines."""
    vectors: list[list[tuple[NDArray[np.float32], Ints]]] = []
    for schema, table, rows in (query, item):
        encoded = encode(table, schema.model_copy(update={"categorical": (), "lists": ()}), 0)
        stops = np.cumsum([feature.width for feature in schema.embedding])
        each = np.split(encoded.embedding, stops, axis=1)[:-1]
        yield encoded.continuous[rows]
        yield from (vector[rows] for vector in each if vector.shape[1] <= _NARROW)
        vectors.append([(vector, rows) for vector in each])
    for left, request in vectors[0]:
        for right, ad in vectors[1]:
            if left.shape[1] == right.shape[1]:
                yield np.einsum("nw,nw->n", _unit(left)[request], _unit(right)[ad])


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same directions with length 1; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, length, out=np.zeros_like(vectors), where=length != 0))


def _standardised(column: NDArray[np.float32]) -> Floats:
    """(N,) less the mean, by the standard deviation, no further than `_FURTHEST`; 0 where missing."""
    known = column[~np.isnan(column)].astype(np.float64)
    mean, spread = (known.mean(), known.std()) if len(known) else (0.0, 0.0)
    return np.nan_to_num(np.clip((column - mean) / (spread or 1.0), -_FURTHEST, _FURTHEST))


def _most_frequent(codes: Ints) -> Ints:
    """(N,) the same rows with the codes above 0 that occur most, numbered anew; all others are 0."""
    counts = np.bincount(codes)
    counts[:1] = 0
    kept = np.argsort(-counts, kind="stable")[:_MOST_VALUES]
    kept = np.sort(kept[counts[kept] > 0])
    table = np.zeros(len(counts), np.int64)
    table[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(table[codes])


def _booleans(column: pa.ChunkedArray) -> Bools:
    return np.asarray(pc.fill_null(column, False).to_numpy(), np.bool_)


def _rows_of(keys: pa.ChunkedArray, among: pa.ChunkedArray | pa.Array) -> Ints:
    """(N,) the position of each key, which is there: keys are checked when a day is read."""
    values = among.combine_chunks() if isinstance(among, pa.ChunkedArray) else among
    return np.asarray(pc.index_in(keys, value_set=values).to_numpy().astype(np.int64))
