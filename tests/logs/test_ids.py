"""How ids are held; the SQL that reads them is tried in `test_reading.py`."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mtmd.config import IdType
from mtmd.logs.contract import arrow_ids, id_array, id_list, id_number, id_numbers


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("BIGINT", [-(2**63), 0, 2**63 - 1]),
        ("VARCHAR", ["Z", "a", "x" * 128, "é", "東京 7"]),
        ("VARCHAR", []),
    ],
)
def test_ids_come_back_from_arrays_in_the_order_of_their_bytes(kind: IdType, ids: list[Any]) -> None:
    array = id_array(ids, kind)
    assert id_list(array) == ids
    assert id_list(np.sort(array[::-1])) == ids
    arrow = pa.array(ids, pa.int64() if kind == "BIGINT" else pa.string())
    assert id_list(arrow_ids(arrow)) == ids
    assert id_numbers(arrow).tolist() == [id_number(one) for one in ids]


def test_a_number_is_the_integer_or_the_first_eight_bytes_of_a_texts_md5() -> None:
    """md5("abc") is 900150983cd24fb0d6963f7d28e17f72."""
    assert id_number(7) == 7
    assert id_number("abc") == 0x900150983CD24FB0 - 2**64
    assert id_numbers(pa.array([7, -7])).tolist() == [7, -7]
