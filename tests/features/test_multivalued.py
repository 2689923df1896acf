"""Raw lists to encoded ones: what is read, what is refused, and rows taken, cut and put together."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mtmd.config import SideSchema
from mtmd.errors import LogsError
from mtmd.features import Feature, feature
from mtmd.features.categorical import hash_bucket
from mtmd.features.encoded_list import EncodedList
from mtmd.features.feature import LONGEST_LIST
from mtmd.features.multivalued import ACTIONS, AGES
from mtmd.logs.encoding import encode, table_from_rows

WORDS = feature(name="words", side="query", kind="multivalued", buckets=50, max_length=3)
ADS = feature(
    name="ads",
    side="query",
    kind="multivalued",
    type="BIGINT",
    buckets=900,
    max_length=2,
    weights="ad_weights",
    table="ad_id",
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
    assert lists.weights is None


def test_lists_of_one_length_may_be_a_fixed_size_column() -> None:
    column = pa.array([["a", "b"], None, ["c", "a"]], pa.list_(pa.string(), 2))
    lists = encoded(WORDS, words=column)
    assert (lists.length.tolist(), lists.ids.tolist()) == ([2, 0, 2], words("a", "b", "c", "a"))


def test_values_are_hashed_as_those_of_the_feature_whose_table_is_read_and_keep_their_weights() -> None:
    lists = encoded(ADS, ads=[[7, -1, 8], [7]], ad_weights=[[0.5, 0.0, 9.0], [2.0]])
    expected = [hash_bucket(2, "ad_id", text, 900) for text in ("7", "-1", "7")]
    assert lists.ids.tolist() == expected
    assert lists.weights is not None
    assert lists.weights.tolist() == [0.5, 0.0, 2.0]


def test_untyped_nulls_and_empty_lists_are_missing() -> None:
    for column in (pa.nulls(2), pa.array([[], None], pa.list_(pa.null()))):
        lists = encoded(WORDS, words=column)
        assert (lists.length.tolist(), lists.ids.tolist()) == ([0, 0], [])
    lists = encoded(ADS, ads=pa.nulls(1), ad_weights=pa.nulls(1))
    assert lists.length.tolist() == [0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"words": [["a", None, None], ["b"]]}, "'words' has 2 nulls inside of lists"),
        ({"words": [["a"] * (LONGEST_LIST + 1)]}, "'words' has a list of 10001 values; at most 10000"),
        ({"words": [["a"] * 10**6]}, "'words' has a list of 1000000 values"),
        ({"words": ["a"]}, "'words' is multivalued, but its column has Arrow type string"),
        ({"words": [[["a"]]]}, r"'words' is multivalued, but its column has Arrow type list<\w+: list"),
        ({"words": [[0.5]]}, r"Arrow type list<\w+: double>; give it the declared type VARCHAR\[\]"),
        ({"other": [["a"]]}, "'words' has no column"),
    ],
)
def test_a_list_that_is_none_is_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(LogsError, match=message):
        encoded(WORDS, **columns)


def test_raw_rows_have_lists_and_weights_or_lack_both() -> None:
    schema = side(ADS)
    table = table_from_rows([{"ads": [7], "ad_weights": [1]}, {}], schema)
    assert table.column("ad_weights").to_pylist() == [[1.0], None]
    assert encode(table, schema, 2).lists[0].length.tolist() == [1, 0]
    with pytest.raises(LogsError, match=r"'ads': a value does not fit its type BIGINT\[\]"):
        table_from_rows([{"ads": [7, "seven"]}], schema)


HISTORY = ADS.model_copy(update={"weights": None, "actions": "deeds", "ages": "hours"})


def test_actions_are_hashed_by_their_columns_name_and_ages_fall_into_bins() -> None:
    columns = {
        "ads": [[7, 8], [9], []],
        "deeds": [["click", "hide"], ["click"], []],
        "hours": [[0.0, 5], [1e9], None],
    }
    lists = encoded(HISTORY, **columns)
    click, hide = (hash_bucket(2, "deeds", text, ACTIONS) for text in ("click", "hide"))
    assert lists.values.keys() == {"ids", "actions", "ages"}
    assert lists.actions is not None
    assert lists.ages is not None
    assert lists.actions.tolist() == [click, hide, click]
    assert lists.ages.tolist() == [1, 6, AGES]  # 2 · log2(6) is 5.2
    assert lists.padded()["actions"].tolist() == [[click, hide], [click, 0], [0, 0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ad_weights": [[1.0], [1.0]]}, "1 of its weights 'ad_weights' have another length than the list"),
        ({"ad_weights": [None, [1.0]]}, "1 of its weights 'ad_weights' have another length"),
        (
            {"ad_weights": [[1.0, -0.5], [1.0]]},
            "1 of its weights 'ad_weights' are null, NaN, infinite or neg",
        ),
        ({"ad_weights": [[1.0, float("nan")], [float("inf")]]}, "2 of its weights"),
        ({"ad_weights": [[1.0, None], [1.0]]}, "1 of its weights"),
        ({"ad_weights": ["heavy", "light"]}, "has weights 'ad_weights', whose column has Arrow type string"),
        ({"ad_weights": None}, "has weights 'ad_weights', and there is no such column"),
        ({"deeds": [["click"], ["click"]]}, "1 of its actions 'deeds' have another length than the list"),
        ({"deeds": [["click", None], ["click"]]}, "1 of its actions 'deeds' are null"),
        ({"deeds": [[0.5, 1.5], [0.5]]}, r"has actions 'deeds', whose column .*give it the type VARCHAR\[\]"),
        ({"hours": [[1.0, 2.0], None]}, "1 of its ages 'hours' have another length"),
        ({"hours": [[1.0, -1.0], [1.0]]}, "1 of its ages 'hours' are null, NaN, infinite or negative"),
        (
            {"hours": [["new", "old"], ["new"]]},
            r"has ages 'hours', whose column .*give it the type FLOAT\[\]",
        ),
    ],
)
def test_what_is_beside_a_value_and_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    every = ADS.model_copy(update={"actions": "deeds", "ages": "hours"})
    columns: dict[str, Any] = {"deeds": [["click", "hide"], ["click"]], "hours": [[1.0, 2.0], [3.0]]}
    columns |= {"ads": [[7, 8], [9]], "ad_weights": [[1.0, 2.0], [3.0]]} | changes
    with pytest.raises(LogsError, match=f"feature 'ads'.*{message}"):
        encoded(every, **{name: column for name, column in columns.items() if column is not None})


def three() -> EncodedList:
    """Rows [4, 5], [] and [6], whose values lie in another order."""
    return EncodedList(
        start=np.array([1, 0, 0]),
        length=np.array([2, 0, 1], np.int32),
        ids=np.array([6, 4, 5], np.int32),
        weights=np.array([0.6, 0.4, 0.5], np.float32),
    )


def test_taken_rows_have_their_values_one_after_the_other() -> None:
    lists = three().take(np.array([2, 0, 2, 1]))
    assert lists.ids.tolist() == [6, 4, 5, 6]
    assert (lists.start.tolist(), lists.length.tolist()) == ([0, 1, 3, 4], [1, 2, 1, 0])
    np.testing.assert_array_equal(lists.weights, np.array([0.6, 0.4, 0.5, 0.6], np.float32))


def test_parts_are_views_and_stacked_rows_keep_their_values() -> None:
    lists = three()
    part = lists.part(slice(1, 3))
    assert np.shares_memory(part.ids, lists.ids)
    stacked = EncodedList.stack([part, lists])
    assert len(stacked) == 5
    matrices = stacked.padded()
    assert matrices["ids"].tolist() == [[0, 0], [6, 0], [4, 5], [0, 0], [6, 0]]
    assert (
        matrices["weights"].tolist()
        == np.array([[0, 0], [0.6, 0], [0.4, 0.5], [0, 0], [0.6, 0]], np.float32).tolist()
    )


def test_matrices_of_empty_lists_have_one_column() -> None:
    matrices = encoded(WORDS, words=pa.nulls(2)).padded()
    assert {name: matrix.tolist() for name, matrix in matrices.items()} == {"ids": [[0], [0]]}
    none = encoded(ADS, ads=pa.nulls(0), ad_weights=pa.nulls(0))
    assert none.padded().keys() == {"ids", "weights"}
