"""What a teacher reads of contract logs, and that its size is what was announced."""

import numpy as np
import pytest

from mtmd.extras.kuairand.teacher import log_inputs as module
from mtmd.extras.kuairand.teacher.layout import row_bytes
from mtmd.extras.kuairand.teacher.log_inputs import log_inputs
from mtmd.extras.kuairand.teacher.log_rows import LogRows
from mtmd.extras.kuairand.teacher.rows import TeacherInputs
from tests.extras.kuairand.teacher.logs import DECLARATIONS, read


@pytest.fixture
def rows() -> LogRows:
    return read()


def inputs_of(rows: LogRows) -> TeacherInputs:
    return log_inputs(rows, DECLARATIONS)


def test_codes_are_those_of_all_fields_and_of_the_domain(rows: LogRows) -> None:
    codes = rows.codes
    domain = (codes["surface"] - 1) * 2 + codes["product"]
    inputs = inputs_of(rows)
    # all ads are of one product
    assert inputs.codes[:, -1].tolist() == [{2: 1, 4: 2}[d] for d in domain.tolist()]
    assert inputs.codes[:, 0].tolist() == codes["user"].tolist()
    assert (inputs.codes < inputs.sizes).all()
    assert inputs.ids == (0, 1)


def test_fields_with_many_values_are_hidden_at_times_and_bounded(
    rows: LogRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ID_VALUES", 4)
    monkeypatch.setattr(module, "_MOST_VALUES", 5)
    inputs = inputs_of(rows)
    assert inputs.sizes == (6, 5, 3, 2, 2, 5, 3)
    assert inputs.ids == (0, 1, 5)


def test_numbers_are_standardised_and_have_no_gaps(rows: LogRows) -> None:
    rows.static[::2, 2] = np.nan
    rows.static[1::2, 2] = np.arange(120)
    price = rows.static[:, 7].copy()
    static = inputs_of(rows).static
    assert static[::2, 2].tolist() == [0] * 120
    assert static[1::2, 2].std() == pytest.approx(1, rel=1e-5)
    assert static[:, 7] == pytest.approx((price - price.mean()) / price.std(), abs=1e-5)
    assert not static[:, 5].any()  # a constant
    assert np.isfinite(static).all()


def test_an_outlier_is_cut() -> None:
    rows = read()
    rows.static[0, 2] = 1e9
    assert inputs_of(rows).static[0, 2] == 8.0


def test_histories_are_of_users_ads_categories_and_their_crosses(rows: LogRows) -> None:
    past = inputs_of(rows).past
    # user, ad, brand; five crosses; user × brand; each with a count and three tasks
    assert past.shape == (240, 9 * 4)
    first = rows.teaching.day == rows.teaching.day.min()
    assert not past[first].any()
    eager = rows.codes["user"] % 2 == 1
    newest = rows.teaching.day == rows.teaching.day.max()
    assert past[newest & eager, 1].min() > past[newest & ~eager, 1].max()


def test_a_category_with_many_values_is_not_crossed_with_users(
    rows: LogRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_CROSSED", 3)
    assert inputs_of(rows).past.shape == (240, 8 * 4)


def test_a_missing_category_has_no_history(rows: LogRows) -> None:
    rows.codes["item.brand"][-1] = 0
    past = inputs_of(rows).past
    assert not past[-1, [8, 32]].any()
    assert past[-1, 0] > 0


def test_a_row_has_the_bytes_that_were_announced(rows: LogRows) -> None:
    inputs = inputs_of(rows)
    held = (inputs.codes, inputs.static, inputs.past, rows.shown, rows.exists, rows.known)
    teaching = rows.teaching
    arrays = (*held, *rows.codes.values(), teaching.day, teaching.labels, teaching.teaches)
    in_fit = 8 + 3 * (2 * 4 + 8 + 4)  # block; labels and what they teach as numbers, logits, scores
    assert sum(array.nbytes for array in arrays) / len(rows) + in_fit == row_bytes(DECLARATIONS)
