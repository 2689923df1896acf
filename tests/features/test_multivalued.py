"""Raw lists to encoded ones: what is read, what is refused, and rows taken, cut and put together."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mtmd.config import SideSchema
from mtmd.errors import LogsError
from mtmd.features import Feature, feature
from mtmd.features.categorical import hash_bucket
from mtmd.features.feature import LONGEST_LIST, EncodedList
from mtmd.logs.encoding import encode, table_from_rows

WORDS = feature(name="words", side="query", kind="multivalued", buckets=50, max_length=3)
ADS = feature(
    name="ads", side="query", kind="multivalued", type="BIGINT", buckets=900, max_length=2, table="ad_id"
)


def side(*lists: Feature) -> SideSchema:
    return SideSchema(
        side="query", domains=("home_feed",), continuous=(), categorical=(), embedding=(), lists=lists
    )


def encoded(feature: Feature, **columns: Any) -> EncodedList:
    (lists,) = encode(pa.table(columns), side(feature), hash_seed=2).lists
    return lists


def words(*values: str) -> list[int]:
    return [hash_bucket(2, "words", value, 50) for value in values]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.string()), pa.large_list(pa.string()), pa.list_(pa.large_string())]
)
def test_the_first_values_are_read_and_null_is_empty(kind: pa.DataType) -> None:
    lists = encoded(WORDS, words=pa.array([["b", "a"], None, [], ["a"] * 4, ["c", "c", "a", "d"]], kind))
    assert lists.length.tolist() == [2, 0, 0, 3, 3]
    assert lists.start.tolist() == [0, 2, 2, 2, 5]
    assert lists.ids.tolist() == words("b", "a", "a", "a", "a", "c", "c", "a")


def test_lists_of_one_length_may_be_a_fixed_size_column() -> None:
    column = pa.array([["a", "b"], None, ["c", "a"]], pa.list_(pa.string(), 2))
    lists = encoded(WORDS, words=column)
    assert (lists.length.tolist(), lists.ids.tolist()) == ([2, 0, 2], words("a", "b", "c", "a"))


def test_values_are_hashed_as_those_of_the_feature_whose_table_is_read() -> None:
    lists = encoded(ADS, ads=[[7, -1, 8], [7]])
    expected = [hash_bucket(2, "ad_id", text, 900) for text in ("7", "-1", "7")]
    assert lists.ids.tolist() == expected


def test_untyped_nulls_and_empty_lists_are_missing() -> None:
    for column in (pa.nulls(2), pa.array([[], None], pa.list_(pa.null()))):
        lists = encoded(WORDS, words=column)
        assert (lists.length.tolist(), lists.ids.tolist()) == ([0, 0], [])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"words": [["a", None, None], ["b"]]}, "'words' has 2 nulls inside of lists"),
        ({"words": [["a"] * (LONGEST_LIST + 1)]}, "'words' has a list of 10001 values; at most 10000"),
        ({"words": [["a"] * 10**6]}, "'words' has a list of 1000000 values"),
    ],
)
def test_a_list_that_is_none_is_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(LogsError, match=message):
        encoded(WORDS, **columns)


def test_raw_rows_have_lists_or_lack_them() -> None:
    schema = side(ADS)
    table = table_from_rows([{"ads": [7]}, {}], schema)
    assert encode(table, schema, 2).lists[0].length.tolist() == [1, 0]
    with pytest.raises(LogsError, match=r"'ads': a value does not fit its type BIGINT\[\]"):
        table_from_rows([{"ads": [7, "seven"]}], schema)


def three() -> EncodedList:
    """Rows [4, 5], [] and [6], whose values lie in another order."""
    return EncodedList(
        start=np.array([1, 0, 0]), length=np.array([2, 0, 1], np.int32), ids=np.array([6, 4, 5], np.int32)
    )


def test_taken_rows_have_their_values_one_after_the_other() -> None:
    lists = three().take(np.array([2, 0, 2, 1]))
    assert lists.ids.tolist() == [6, 4, 5, 6]
    assert (lists.start.tolist(), lists.length.tolist()) == ([0, 1, 3, 4], [1, 2, 1, 0])


def test_stacked_rows_keep_their_values() -> None:
    lists = three()
    stacked = EncodedList.stack([lists.take(slice(1, 3)), lists])
    assert len(stacked) == 5
    assert stacked.padded().tolist() == [[0, 0], [6, 0], [4, 5], [0, 0], [6, 0]]


def test_matrices_of_empty_lists_have_one_column() -> None:
    assert encoded(WORDS, words=pa.nulls(2)).padded().tolist() == [[0], [0]]
    assert encoded(ADS, ads=pa.nulls(0)).padded().shape == (0, 1)
