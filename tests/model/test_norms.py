"""Norms of numbers: whose statistics, missing values, few values, wild ones."""

import pytest
import torch
from torch import Tensor

from mtmd.model.norms import MaskedBatchNorm, NumberNorm, WindowNorm

NAN = torch.nan


def seen(norm: NumberNorm, *batches: Tensor) -> NumberNorm:
    for x in batches:
        norm.observe(x, ~x.isnan())
    return norm


def normalised(norm: NumberNorm, x: Tensor) -> Tensor:
    result: Tensor = norm(x, ~x.isnan())
    return result


def test_statistics_leave_missing_values_out() -> None:
    x = torch.tensor([[1.0], [NAN], [3.0], [NAN]])
    z = normalised(seen(WindowNorm(1, min_rows=2), x), x)
    torch.testing.assert_close(z, torch.tensor([[-1.0], [0.0], [1.0], [0.0]]))


def test_every_value_of_the_window_counts_the_same_whatever_its_batch() -> None:
    x = torch.tensor([[2.0], [2.0], [4.0], [4.0], [9.0], [NAN]])
    norm = seen(WindowNorm(1, min_rows=4), x[:1], x[1:4], x[4:])
    centre, scale, shift = norm.frozen()
    assert (centre.double() - shift / scale).item() == pytest.approx(4.2, rel=1e-6)
    assert scale.item() == pytest.approx(6.56**-0.5, rel=1e-6)  # (2 · 2.2² + 2 · 0.2² + 4.8²) / 5


def test_a_large_mean_loses_no_precision() -> None:
    torch.manual_seed(0)
    x = (torch.randn(5000, 1).double() + 1e4).float()
    expected = (x.double() - x.double().mean()) / x.double().std(correction=0)
    norm = seen(WindowNorm(1, min_rows=32), *x.split(300))
    torch.testing.assert_close(normalised(norm, x).double(), expected, atol=1e-5, rtol=1e-5)


def test_a_training_batch_is_normalised_by_its_own_statistics_without_missing_values() -> None:
    norm = MaskedBatchNorm(1, min_rows=2)
    for low in (1.0, 7.0):
        x = torch.tensor([[low], [NAN], [low + 2], [NAN]])
        torch.testing.assert_close(normalised(norm, x), torch.tensor([[-1.0], [0.0], [1.0], [0.0]]))


def test_at_evaluation_statistics_are_running_ones_and_stay() -> None:
    """Batches (1, 3) and (7, 9): weights 0.05 · 0.95 and 0.05, so means of 0.95 to 1; E[x²] is 5 and 65."""
    norm = MaskedBatchNorm(1, min_rows=2)
    normalised(norm, torch.tensor([[1.0], [3.0]]))
    normalised(norm, torch.tensor([[7.0], [9.0]]))
    mean, square = (2 * 0.95 + 8) / 1.95, (5 * 0.95 + 65) / 1.95
    for _ in range(2):
        z = normalised(norm.eval(), torch.tensor([[4.0]]))
        assert z.item() == pytest.approx((4 - mean) / (square - mean**2) ** 0.5, rel=1e-5)
    norm.observe(torch.tensor([[100.0]]), torch.tensor([[True]]))
    assert torch.equal(normalised(norm, torch.tensor([[4.0]])), z)


def test_a_column_with_few_values_in_a_batch_takes_the_running_statistics() -> None:
    """One value of four: a quarter of a batch's weight, and too few for a spread, so the mean square stands in."""
    norm = MaskedBatchNorm(1, min_rows=4)
    assert normalised(norm, torch.tensor([[5.0]])).item() == pytest.approx(0.0)
    assert normalised(norm.eval(), torch.tensor([[7.0]])).item() == pytest.approx(2 / 5)
    norm.train()
    normalised(norm, torch.tensor([[NAN]]))  # no value: nothing changes
    assert normalised(norm, torch.empty(0, 1)).shape == (0, 1)
    assert normalised(norm.eval(), torch.tensor([[7.0]])).item() == pytest.approx(2 / 5)
