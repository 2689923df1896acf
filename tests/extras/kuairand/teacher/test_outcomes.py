"""Which labels may teach, and what contradicts the contract."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mtmd.errors import ConfigError, LogsError
from mtmd.extras.kuairand.teacher.outcomes import day_outcomes, task_lags, task_parents
from tests.extras.kuairand.teacher.logs import DOMAINS, FIRST, candidates

ROWS = candidates(("r1", "x", "k"), ("r2", "x", "s"), ("r3", "x", "-"), ("r4", "x", "c"))
PRODUCT = np.array([1, 1, 1, 0])


def test_labels_are_of_shown_ads_whose_product_has_the_task() -> None:
    outcomes = day_outcomes(ROWS, PRODUCT, DOMAINS, FIRST)
    assert outcomes.shown.tolist() == [True, True, False, True]
    assert outcomes.exists[:, 1].tolist() == [True, True, True, False]
    assert outcomes.labels.tolist() == [[True] * 3, [False] * 3, [False] * 3, [True, False, False]]


def test_a_null_label_of_a_shown_ad_is_refused() -> None:
    clicked = pc.if_else(pc.equal(ROWS["request_id"], "r2"), None, ROWS["clicked"])
    wrong = ROWS.set_column(ROWS.column_names.index("clicked"), "clicked", clicked)
    with pytest.raises(
        LogsError, match=r"2026-01-01: clicked is null .* in 1 rows, such as request_id r2, ad_id x"
    ):
        day_outcomes(wrong, PRODUCT, DOMAINS, FIRST)


def test_a_label_without_its_parent_is_refused() -> None:
    wrong = ROWS.set_column(ROWS.column_names.index("bought"), "bought", pa.chunked_array([[False] * 4]))
    with pytest.raises(
        LogsError, match=r"not_returned is true though bought, its parent's label, is not in 1 rows"
    ):
        day_outcomes(wrong, PRODUCT, DOMAINS, FIRST)


def test_a_day_without_a_shown_ad_is_refused() -> None:
    with pytest.raises(LogsError, match=r"none of 1 rows is impressed"):
        day_outcomes(candidates(("r1", "x", "-")), np.array([0]), DOMAINS, FIRST)


def test_a_child_is_final_no_sooner_than_its_parent() -> None:
    assert task_parents(DOMAINS) == (None, 0, 1)
    assert task_parents(DOMAINS.model_copy(update={"constrained": False})) == (None, 0, 1)
    assert task_lags(DOMAINS, {}).tolist() == [0, 0, 0]
    assert task_lags(DOMAINS, {"cvr": 7, "kept": 3}).tolist() == [0, 7, 7]


@pytest.mark.parametrize("maturity", [{"sales": 1}, {"cvr": -1}])
def test_maturity_is_of_known_tasks_and_not_negative(maturity: dict[str, int]) -> None:
    with pytest.raises(
        ConfigError, match=r"maturity (sales=1|cvr=-1) must be a task of \['ctr', 'cvr', 'kept'\]"
    ):
        task_lags(DOMAINS, maturity)
