"""One encoding for extraction and serving: values pinned by md5sum and by hand."""

import math

import numpy as np
import pyarrow as pa
import pytest

from mtmd.config import SideSchema
from mtmd.errors import LogsError
from mtmd.features import Feature, feature
from mtmd.features.categorical import hash_bucket
from mtmd.logs.encoding import encode, table_from_rows

COUNTRY = feature(name="country", side="query", kind="categorical", buckets=50, shallow=True)
USER = feature(name="user_id", side="query", kind="categorical", type="BIGINT", buckets=20000)
SAVES = feature(name="saves", side="query", kind="continuous", log1p=True)
RATE = feature(name="rate", side="query", kind="continuous", type="DOUBLE")
VECTOR = feature(name="vector", side="query", kind="embedding", width=2)
OTHER = feature(name="other_vector", side="query", kind="embedding", width=3)


def side(*features: Feature) -> SideSchema:
    return SideSchema(
        side="query",
        domains=("home_feed",),
        continuous=tuple(f for f in features if f.kind == "continuous"),
        categorical=tuple(f for f in features if f.kind == "categorical"),
        embedding=tuple(f for f in features if f.kind == "embedding"),
    )


@pytest.mark.parametrize(
    ("seed", "feature", "value", "first_8_bytes", "buckets"),
    # The number is what `printf 'SEED/FEATURE/VALUE' | md5sum | cut -c1-16` prints, in hexadecimal.
    [
        (3, "country", "fr", 0xBD9B747259F7031B, 50),
        (0, "user_id", "42", 0x30E7969B53D47314, 20000),
        (0, "user_id", "-5", 0x11D555057D26EBFF, 20000),
        (7, "query_term", "café", 0xA768797FB35F7481, 5000),
        (0, "country", "", 0x37C52A67EEAA0131, 64),
    ],
)
def test_hash_is_md5_of_seed_feature_and_value(
    seed: int, feature: str, value: str, first_8_bytes: int, buckets: int
) -> None:
    assert hash_bucket(seed, feature, value, buckets) == 1 + first_8_bytes % buckets


def test_hash_leaves_zero_for_missing_and_fills_every_bucket() -> None:
    assert {hash_bucket(0, "f", str(i), 4) for i in range(200)} == {1, 2, 3, 4}


def test_categorical_strings_and_integers_hash_by_their_text_and_null_is_zero() -> None:
    table = pa.table({"country": ["fr", None, "", "fr"], "user_id": pa.array([42, -5, None, 42], pa.int64())})
    encoded = encode(table, side(COUNTRY, USER), hash_seed=0)
    assert encoded.categorical.dtype == np.int32
    assert encoded.categorical.tolist() == [
        [hash_bucket(0, "country", "fr", 50), hash_bucket(0, "user_id", "42", 20000)],
        [0, hash_bucket(0, "user_id", "-5", 20000)],
        [hash_bucket(0, "country", "", 50), 0],
        [hash_bucket(0, "country", "fr", 50), hash_bucket(0, "user_id", "42", 20000)],
    ]
    assert encoded.continuous.shape == (4, 0)
    assert encoded.embedding.shape == (4, 0)


def test_continuous_takes_signed_log1p_where_declared_and_null_is_nan() -> None:
    table = pa.table(
        {
            "saves": pa.array([0.0, math.e - 1, 1 - math.e, None, float("nan")], pa.float32()),
            "rate": pa.array([0.25, -3.0, None, float("nan"), 1e-3], pa.float64()),
        }
    )
    encoded = encode(table, side(SAVES, RATE), hash_seed=0)
    assert encoded.continuous.dtype == np.float32
    np.testing.assert_allclose(
        encoded.continuous, [[0, 0.25], [1, -3], [-1, np.nan], [np.nan, np.nan], [np.nan, 1e-3]], rtol=1e-6
    )


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 2), pa.large_list(pa.float32())]
)
def test_vectors_lie_side_by_side_and_an_incomplete_one_is_missing(kind: pa.DataType) -> None:
    table = pa.table(
        {
            "vector": pa.array([[1, 2], None, [3, None], [5, 6]], kind),
            "other_vector": pa.array(
                [None, [7, 8, 9], [0, 0, 0], [1, float("nan"), 1]], pa.list_(pa.float32())
            ),
        }
    )
    nan = np.nan
    np.testing.assert_array_equal(
        encode(table, side(VECTOR, OTHER), hash_seed=0).embedding,
        [[1, 2, nan, nan, nan], [nan, nan, 7, 8, 9], [nan, nan, 0, 0, 0], [5, 6, nan, nan, nan]],
    )


def test_encoding_does_not_depend_on_how_the_table_is_cut() -> None:
    rows = [
        {"country": "fr", "saves": 1.0, "vector": [1.0, 2.0]},
        {"country": None, "saves": None, "vector": None},
        {"country": "de", "saves": -2.0, "vector": [3.0, 4.0]},
    ]
    schema = side(COUNTRY, SAVES, VECTOR)
    whole = table_from_rows(rows, schema)
    chunked = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    for table, expected in (
        (chunked, slice(0, 3)),
        (whole.slice(1), slice(1, 3)),
        (whole.slice(3), slice(3, 3)),
    ):
        part, full = encode(table, schema, hash_seed=1), encode(whole, schema, hash_seed=1)
        np.testing.assert_array_equal(part.continuous, full.continuous[expected])
        np.testing.assert_array_equal(part.categorical, full.categorical[expected])
        np.testing.assert_array_equal(part.embedding, full.embedding[expected])


def test_absent_keys_and_untyped_nulls_are_missing() -> None:
    schema = side(COUNTRY, SAVES, VECTOR)
    for table in (
        table_from_rows([{}], schema),
        pa.table({name: pa.nulls(1) for name in ("country", "saves", "vector")}),
    ):
        encoded = encode(table, schema, hash_seed=0)
        assert encoded.categorical.tolist() == [[0]]
        assert np.isnan(encoded.continuous).all()
        assert np.isnan(encoded.embedding).all()


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e300])
def test_a_number_that_float32_cannot_hold_is_refused(value: float) -> None:
    table = pa.table({"rate": pa.array([0.5, value], pa.float64())})
    with pytest.raises(LogsError, match="'rate' has 1 infinite values of 2"):
        encode(table, side(RATE), hash_seed=0)


def test_an_infinite_vector_component_is_refused() -> None:
    table = pa.table({"vector": pa.array([[1.0, float("inf")]], pa.list_(pa.float32()))})
    with pytest.raises(LogsError, match="'vector' has 1 infinite values"):
        encode(table, side(VECTOR), hash_seed=0)


@pytest.mark.parametrize("vector", [[], [1.0], [1.0, 2.0, 3.0]])
def test_a_vector_of_another_length_is_refused(vector: list[float]) -> None:
    table = pa.table({"vector": pa.array([[1.0, 2.0], None, vector], pa.list_(pa.float32()))})
    with pytest.raises(
        LogsError, match=f"'vector' has a vector of length {len(vector)}; declared width is 2"
    ):
        encode(table, side(VECTOR), hash_seed=0)


def test_a_raw_value_of_another_type_is_refused() -> None:
    with pytest.raises(LogsError, match="'user_id': a value does not fit its type BIGINT"):
        table_from_rows([{"user_id": "forty-two"}], side(USER))
