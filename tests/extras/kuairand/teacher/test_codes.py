"""Values of any type get the same numbers on every day."""

import numpy as np
import pyarrow as pa
import pytest

from mtmd.extras.kuairand.teacher.codes import ValueCodes, most_frequent


@pytest.mark.parametrize(
    ("first", "second"), [(["b", None, "a", "b"], ["a", "c"]), ([7, None, 5, 7], [5, 9])]
)
def test_codes_go_on_from_day_to_day(first: list[object], second: list[object]) -> None:
    codes = ValueCodes()
    assert codes.of(pa.chunked_array([first])).tolist() == [1, 0, 2, 1]
    assert codes.of(pa.array(second)).tolist() == [2, 3]


def test_a_column_of_nulls_has_no_codes() -> None:
    assert ValueCodes().of(pa.array([None, None], pa.string())).tolist() == [0, 0]


def test_rare_values_are_missing() -> None:
    codes = np.array([1, 2, 2, 3, 3, 3, 0, 4])
    assert most_frequent(codes, 2).tolist() == [0, 1, 1, 2, 2, 2, 0, 0]
    assert most_frequent(codes, 9).tolist() == codes.tolist()
    assert most_frequent(np.array([0, 0]), 9).tolist() == [0, 0]
