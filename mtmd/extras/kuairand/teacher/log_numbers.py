"""The numbers of a day's candidates: of each side, and of both sides together.

Shapes: N candidates, R requests or A ads, M numbers, W width of a vector.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.config import Declarations, SideSchema
from mtmd.extras.kuairand.teacher.layout import NARROW, listed_categories
from mtmd.extras.kuairand.teacher.rows import Ints
from mtmd.logs.encoding import EncodedSide, encode
from mtmd.logs.lists import EncodedList

_HOURS = 24
_CHUNK = 1 << 16  # candidates whose vectors are held at a time
_SEED = 0  # of the hash by which values of lists and categories are compared


class SideRows(NamedTuple):
    """A table of requests or ads with its features, and (N,) which of its rows each candidate has."""

    schema: SideSchema
    table: pa.Table
    rows: Ints


def log_numbers(
    declarations: Declarations, sides: tuple[SideRows, SideRows], hour: Ints
) -> NDArray[np.float32]:
    """(N, M), NaN where missing: the hour on a circle; the numbers of each side, then of both; requests come first."""
    angle = 2 * np.pi * hour / _HOURS
    pairs = listed_categories(declarations)
    encoded = []
    for side in sides:
        categories = tuple(category for _, category in pairs if category.side == side.schema.side)
        schema = side.schema.model_copy(update={"categorical": categories})
        encoded.append(encode(side.table, schema, _SEED))
    columns = [np.sin(angle)[:, None], np.cos(angle)[:, None]]
    columns += [_of_side(side.schema, one)[side.rows] for side, one in zip(sides, encoded, strict=True)]
    query, item = sides
    columns += [
        _cosine(left, query.rows, right, item.rows)[:, None]
        for left in _vectors(query.schema, encoded[0])
        for right in _vectors(item.schema, encoded[1])
        if left.shape[1] == right.shape[1]
    ]
    columns += _shares(declarations, sides, encoded)
    return np.concatenate(columns, axis=1, dtype=np.float32, casting="same_kind")


def _of_side(schema: SideSchema, encoded: EncodedSide) -> NDArray[np.float32]:
    """(R or A, …): numbers, narrow vectors, what of numbers and vectors is missing, and lengths of lists."""
    vectors = _vectors(schema, encoded)
    flat = [encoded.continuous, *(vector for vector in vectors if vector.shape[1] <= NARROW)]
    gaps = [np.isnan(encoded.continuous), *(np.isnan(vector[:, :1]) for vector in vectors)]
    lengths = [np.log1p(lists.length)[:, None] for lists in encoded.lists]
    return np.concatenate([*flat, *gaps, *lengths], axis=1, dtype=np.float32, casting="same_kind")


def _vectors(schema: SideSchema, encoded: EncodedSide) -> list[NDArray[np.float32]]:
    """(R or A, W) of each vector."""
    stops = np.cumsum([feature.width for feature in schema.embedding])
    return np.split(encoded.embedding, stops, axis=1)[:-1]


def _shares(
    declarations: Declarations, sides: tuple[SideRows, SideRows], encoded: list[EncodedSide]
) -> list[NDArray[np.float32]]:
    """(N, 1) for each list and each category of the other side with the same values: what share of the list it is."""
    place = {side.schema.side: (side, one) for side, one in zip(sides, encoded, strict=True)}
    columns = []
    taken = {"query": 0, "item": 0}
    for listed, category in listed_categories(declarations):
        side, one = place[listed.side]
        other, coded = place[category.side]
        lists = one.lists[side.schema.lists.index(listed)].take(side.rows)
        codes = coded.categorical[:, taken[category.side]][other.rows]
        taken[category.side] += 1
        columns.append(_share(lists, codes)[:, None])
    return columns


def _share(lists: EncodedList, codes: NDArray[np.int32]) -> NDArray[np.float32]:
    """(N,) the share of each list's values that equals the row's code; NaN of an empty list."""
    row = np.repeat(np.arange(len(codes)), lists.length)
    hits = np.bincount(row, weights=lists.ids == codes[row], minlength=len(codes))
    empty = np.full(len(codes), np.nan)
    return np.asarray(np.divide(hits, lists.length, out=empty, where=lists.length > 0), np.float32)


def _cosine(
    left: NDArray[np.float32], left_rows: Ints, right: NDArray[np.float32], right_rows: Ints
) -> NDArray[np.float32]:
    """(N,) of the vectors (R, W) and (A, W) of each candidate; NaN where one is missing, 0 where one has no length."""
    cosine = np.empty(len(left_rows), np.float32)
    for start in range(0, len(cosine), _CHUNK):
        part = slice(start, start + _CHUNK)
        one, other = left[left_rows[part]], right[right_rows[part]]
        length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        nothing = np.where(np.isnan(length), np.float32(np.nan), np.float32(0))
        np.divide(np.einsum("nw,nw->n", one, other), length, out=nothing, where=length > 0)
        cosine[part] = nothing
    return cosine
