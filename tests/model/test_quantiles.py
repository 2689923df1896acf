"""Bins of equally many rows, by hand, and what is kept when there are more values than cells."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mtmd.model.quantiles import CELLS, LARGEST, ValueCounts


def edges(*parts: object, bins: int = 4, closed: bool = True) -> list[float]:
    counts = ValueCounts()
    for part in parts:
        counts.add(np.asarray(part, np.float32))
    found: list[float] = counts.edges(bins, closed=closed).tolist()
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(1, 9), [1, 3, 5, 7, 8]),
        # 2, 2, 3 and 3 values: each bin has at most its share of what is left
        (range(1, 11), [1, 3, 5, 8, 10]),
        ([7] * 5, [7]),
        ([], []),
        ([0, 1, 1, 0], [0, 1]),
        ([3, -2, 0.5, -2], [-2, 0.5, 3]),
        ([-0.0, 0.0, -1], [-1, 0]),
        # 0 is 90 of 100 rows: a bin by itself, and the other ten are three bins of 3, 3 and 4.
        ([0] * 90 + list(range(1, 11)), [0, 1, 4, 7, 10]),
        # One value in the middle: 2 rows before it, and 4 values behind it for two bins.
        ([1, 2] + [5] * 90 + [6, 7, 8, 9], [1, 5, 6, 8, 9]),
        ([1e-45, 3.4e38, -3.4e38, np.inf], [-LARGEST, 1e-45, LARGEST]),
    ],
)
def test_a_bin_has_no_more_than_its_share_and_at_least_one_value(
    values: list[float], expected: list[float]
) -> None:
    assert edges(values) == pytest.approx(expected)
    starts = expected[:-1] if len(expected) == 5 else expected
    assert edges(values, closed=False) == pytest.approx(starts)


def test_batches_and_their_order_change_nothing() -> None:
    random = np.random.default_rng(1)
    values = np.exp(random.normal(size=60_000)).astype(np.float32)
    values[random.random(len(values)) < 0.3] = 0.0
    batches = np.array_split(values, 60)
    assert len(np.unique(values)) > CELLS
    expected = edges(values, bins=32)
    assert edges(*batches, bins=32) == expected
    assert edges(*batches[::-1], bins=32) == expected
    assert edges(random.permutation(values), bins=32) == expected


@pytest.mark.parametrize("offset", [0.0, -2020.0, 2e4])
def test_more_values_than_cells_give_nearly_the_exact_bins(offset: float) -> None:
    """Also where all values are far from 0 and near each other: cells are where values are."""
    values = (np.random.default_rng(2).normal(size=200_000) + offset).astype(np.float32)
    counts = ValueCounts()
    for batch in np.array_split(values, 20):
        counts.add(batch)
    assert held(counts) <= CELLS
    found = counts.edges(16, closed=True)
    share = np.diff(np.searchsorted(np.sort(values), found)) / len(values)
    np.testing.assert_allclose(share, 1 / 16, rtol=0.05)


def held(counts: ValueCounts) -> int:
    cells: NDArray[np.int64] = counts._cells
    return len(cells)
