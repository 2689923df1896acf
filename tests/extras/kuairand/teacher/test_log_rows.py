"""Candidates of any logs as arrays: text ids, missing values, and what is refused."""

from datetime import timedelta

import numpy as np
import pytest

from mtmd.errors import LogsError
from mtmd.extras.kuairand.teacher.log_rows import LogReader, LogRows
from tests.extras.kuairand.teacher.logs import DECLARATIONS, FIRST, ads, candidates, requests

NEXT = FIRST + timedelta(days=1)


def two_days(maturity: dict[str, int] | None = None) -> LogRows:
    reader = LogReader(DECLARATIONS, maturity or {}, 1 << 30)
    reader.add(
        FIRST,
        {
            "requests": requests(
                FIRST, {"request_id": "r1"}, {"request_id": "r2", "user_id": None, "age": None}
            ),
            "ads": ads({"ad_id": "x"}, {"ad_id": "y", "product": "pin", "brand": None, "look": None}),
            "candidates": candidates(("r1", "x", "b"), ("r1", "y", "c"), ("r2", "x", "-")),
        },
    )
    reader.add(
        NEXT,
        {
            "requests": requests(NEXT, {"request_id": "r3", "user_id": "bob", "surface": "search"}),
            "ads": ads({"ad_id": "y"}, {"ad_id": "z", "brand": "b", "look": [3.0, 4.0], "price": 1.0}),
            "candidates": candidates(("r3", "z", "s"), ("r3", "y", "c")),
        },
    )
    return reader.rows()


def test_values_have_the_same_code_on_every_day_and_missing_ones_none() -> None:
    codes = {field: values.tolist() for field, values in two_days().codes.items()}
    assert codes == {
        "user": [1, 1, 0, 2, 2],
        "ad": [1, 2, 1, 3, 2],
        "surface": [1, 1, 1, 2, 2],
        "product": [2, 1, 2, 2, 2],
        "hour": [4, 4, 4, 4, 4],
        "item.brand": [1, 0, 1, 2, 1],
    }


def test_numbers_are_transformed_and_stay_missing() -> None:
    # hour sin, cos; age, taste (2), no age, no taste; price, look (2), no price, no look; cosine of taste and look
    static = two_days().static
    angle = 2 * np.pi * 3 / 24
    assert static[0] == pytest.approx([np.sin(angle), np.cos(angle), 30, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    assert np.isnan(static[2, 2])
    assert static[2, 5] == 1
    assert np.isnan(static[1, [8, 9, 12]]).all()
    assert static[1, 11] == 1
    assert static[3, [7, 12]] == pytest.approx([np.log(2), 0.6])


def test_labels_teach_where_the_parent_happened() -> None:
    rows = two_days()
    assert rows.teaching.day.tolist() == [20454, 20454, 20454, 20455, 20455]
    assert rows.shown.tolist() == [True, True, False, True, True]
    assert rows.known[:, 1].tolist() == [True, False, False, True, True]
    assert rows.teaching.teaches.tolist() == [
        [True, True, True],
        [True, False, False],
        [False, False, False],
        [True, False, False],
        [True, True, False],
    ]


def test_labels_that_are_not_final_teach_nothing() -> None:
    rows = two_days({"cvr": 1})
    assert rows.known[:, 1].tolist() == [True, False, False, False, False]
    assert rows.teaching.teaches[:, 1].tolist() == [True, False, False, False, False]
    assert rows.teaching.teaches[:, 0].tolist() == [True, True, False, True, True]


def test_more_rows_than_fit_into_memory_are_refused() -> None:
    reader = LogReader(DECLARATIONS, {}, 1000)
    rows = [(f"r{n}", "x", "s") for n in range(3)]
    tables = {
        "requests": requests(FIRST, *({"request_id": key} for key, _, _ in rows)),
        "ads": ads({"ad_id": "x"}),
        "candidates": candidates(*rows),
    }
    assert reader.row_bytes * 3 > 1000
    words = (
        rf"the 3 candidates up to 2026-01-01 need .* \({reader.row_bytes} bytes each\), .* raise --memory-gib"
    )
    with pytest.raises(LogsError, match=words):
        reader.add(FIRST, tables)
