"""Candidates of any contract logs as arrays, day after day: codes, numbers and labels of request and ad side by side.

Shapes: N candidates, R requests and A ads of a day, M numbers, T tasks, W width of a vector.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.config import Declarations, SideSchema
from mtmd.errors import LogsError
from mtmd.logs.encoding import encode
from mtmd.teacher.codes import ValueCodes
from mtmd.teacher.layout import NARROW, coded_features, field_name, row_bytes
from mtmd.teacher.outcomes import day_outcomes, task_lags, task_parents
from mtmd.teacher.rows import Bools, Ints, TeachingRows

_EPOCH = date(1970, 1, 1)
_HOURS = 24
_Side = tuple[SideSchema, pa.Table, Ints]  # features, rows of a table, and which of them each candidate has


@dataclass(frozen=True)
class LogRows:
    """All candidates of all days, by day and then by key.

    codes      (N,) int32 by field: `user`, `ad`, `surface`, `product`, `hour`, and categorical features as
               `query.<name>` or `item.<name>`; 0 is missing
    static     (N, M) float32, NaN where missing
    shown      (N,);  exists (N, T): whether the product has the task
    known      (N, T): whether the label is there and final;  lags (T,): as in `task_lags`
    teaching   the same rows, as a teacher is given them
    """

    codes: dict[str, NDArray[np.int32]]
    static: NDArray[np.float32]
    shown: Bools
    exists: Bools
    known: Bools
    lags: Ints
    teaching: TeachingRows

    def __len__(self) -> int:
        return len(self.shown)


class LogReader:
    """Takes days, oldest first, and holds their rows: at most `limit` bytes of what a fit needs."""

    def __init__(self, declarations: Declarations, maturity: Mapping[str, int], limit: int) -> None:
        self._declarations = declarations
        self._lags = task_lags(declarations.domains, maturity)
        self._limit = limit
        self.row_bytes = row_bytes(declarations)
        self._values: dict[str, ValueCodes] = {}
        self._codes: dict[str, list[NDArray[np.int32]]] = {}
        self._static: list[NDArray[np.float32]] = []
        self._outcomes: list[tuple[Bools, Bools, Bools]] = []
        self._days: list[tuple[int, int]] = []

    def add(self, day: date, tables: Mapping[str, pa.Table]) -> None:
        """Read a day's tables. Raises LogsError for labels and features that are not as declared, or too many rows."""
        requests, ads, candidates = tables["requests"], tables["ads"], tables["candidates"]
        request = _rows_of(candidates["request_id"], requests["request_id"])  # (N,)
        ad = _rows_of(candidates["ad_id"], ads["ad_id"])
        domains = self._declarations.domains
        surface = _rows_of(requests["surface"], pa.array(domains.surfaces))[request]
        product = _rows_of(ads["product"], pa.array(domains.products))[ad]
        hour = pc.hour(requests["ts"]).to_numpy().astype(np.int64)[request]
        codes = {
            "user": self._coded("user", requests["user_id"])[request],
            "ad": self._coded("ad", ads["ad_id"])[ad],
            "surface": surface + 1,
            "product": product + 1,
            "hour": hour + 1,
        }
        sides = ((self._declarations.query, requests, request), (self._declarations.item, ads, ad))
        for schema, table, rows in sides:
            for feature in coded_features(schema):
                name = field_name(feature)
                codes[name] = self._coded(name, table[feature.name])[rows]
        for field, values in codes.items():
            self._codes.setdefault(field, []).append(values.astype(np.int32))
        self._static.append(_numbers(sides, hour))
        outcomes = day_outcomes(candidates, product, domains, day)
        self._outcomes.append((outcomes.shown, outcomes.exists, outcomes.labels))
        self._days.append(((day - _EPOCH).days, len(request)))
        self._check_size(day)

    def rows(self) -> LogRows:
        """All rows that were added, which this reader then no longer holds."""
        domains = self._declarations.domains
        numbers, counts = np.array(self._days, np.int64).T
        day = np.repeat(numbers, counts)
        shown, exists, labels = (np.concatenate(parts) for parts in zip(*self._outcomes, strict=True))
        final = day[:, None] + self._lags <= day.max()  # (N, T)
        known = exists & shown[:, None] & final
        parents = task_parents(domains)
        happened = np.stack(
            [labels[:, p] if p is not None else np.ones(len(day), np.bool_) for p in parents], axis=1
        )
        codes = {field: np.concatenate(self._codes.pop(field)) for field in list(self._codes)}
        static, self._static = np.concatenate(self._static), []
        teaching = TeachingRows(day, labels, known & happened, domains.task_names, parents)
        return LogRows(codes, static, shown, exists, known, self._lags, teaching)

    def _coded(self, field: str, column: pa.ChunkedArray) -> Ints:
        return self._values.setdefault(field, ValueCodes()).of(column)

    def _check_size(self, day: date) -> None:
        rows = sum(count for _, count in self._days)
        if (needed := rows * self.row_bytes) > self._limit:
            raise LogsError(
                f"the {rows:,} candidates up to {day} need {needed / 2**30:.1f} GiB ({self.row_bytes:,} bytes each), "
                f"and the limit is {self._limit / 2**30:.1f} GiB; raise --memory-gib, or begin at a later --first-day"
            )


def _numbers(sides: Iterable[_Side], hour: Ints) -> NDArray[np.float32]:
    """(N, M): the hour on a circle; of each side its numbers, narrow vectors, and what is missing; cosines."""
    angle = 2 * np.pi * hour / _HOURS
    columns = [np.stack([np.sin(angle), np.cos(angle)], axis=1)]
    vectors: list[list[NDArray[np.float32]]] = []
    for schema, table, rows in sides:
        encoded = encode(table, schema.model_copy(update={"categorical": ()}), 0)
        stops = np.cumsum([feature.width for feature in schema.embedding])
        own = np.split(encoded.embedding, stops, axis=1)[:-1]  # of each feature (R, W) or (A, W)
        flat = [encoded.continuous, *(vector for vector in own if vector.shape[1] <= NARROW)]
        gaps = [np.isnan(encoded.continuous), *(np.isnan(vector[:, :1]) for vector in own)]
        columns.append(np.concatenate([*flat, *gaps], axis=1)[rows])
        vectors.append([vector[rows] for vector in own])
    columns += [
        _cosine(left, right)[:, None]
        for left in vectors[0]
        for right in vectors[1]
        if left.shape[1] == right.shape[1]
    ]
    return np.concatenate(columns, axis=1, dtype=np.float32, casting="same_kind")


def _rows_of(keys: pa.ChunkedArray, among: pa.ChunkedArray | pa.Array) -> Ints:
    """(N,) the position of each key, which is there: keys are checked when a day is read."""
    values = among.combine_chunks() if isinstance(among, pa.ChunkedArray) else among
    return np.asarray(pc.index_in(keys, value_set=values).to_numpy().astype(np.int64))


def _cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) of (N, W) vectors; NaN where either is missing, 0 where either has no length."""
    length = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    dot = np.einsum("nw,nw->n", left, right)
    nothing = np.where(np.isnan(length), np.float32(np.nan), np.float32(0))
    return np.asarray(np.divide(dot, length, out=nothing, where=length > 0))
