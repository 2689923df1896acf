"""Two models side by side."""

import pytest

from mtmd.inspect.comparison import compare, comparison_table
from tests.inspect.conftest import SECOND, Line, metrics


def test_models_of_two_days_are_compared_with_a_plain_warning(two_models: Line) -> None:
    compared = compare(two_models.workspace, "champion", "20260126")
    assert (compared.first.model_id, compared.second.model_id) == ("20260125-a1", "20260126-b1")
    assert not compared.same_rows
    assert compared.note.startswith(
        "A on held-out day 2026-01-25, B on 2026-01-26: the days differ, so a difference may be that of the days"
    )
    one, whole = compared.slices
    assert (one.surface, whole.surface) == ("search", "all")
    assert one.first is not None
    assert one.second is not None
    assert (one.first.logmae, one.second.logmae) == (0.5, 0.4)
    assert one.improvement == pytest.approx(0.2)
    assert (one.first.calibration, one.first.auc, one.second.auc) == (pytest.approx(1.5), 0.75, None)
    assert comparison_table(compared).texts()[0] == [
        "search", "standard", "ctr", "200", "200", "0.5000", "0.4000", "+20.00%", "1.5000", "1.5000", "0.7500", "–",
    ]  # fmt: skip


def test_models_of_one_day_are_compared_on_its_rows(two_models: Line) -> None:
    two_models.model("20260126-c1", SECOND, metrics(SECOND, 0.5), held_out="e" * 64)
    compared = compare(two_models.workspace, "20260126-c", "20260126-b")
    assert compared.same_rows
    assert compared.note == "A and B on the same rows of held-out day 2026-01-26, without intervals"


def test_a_day_whose_logs_changed_in_between_is_said(two_models: Line) -> None:
    two_models.model("20260126-c1", SECOND, metrics(SECOND, 0.5), held_out="d" * 64)
    compared = compare(two_models.workspace, "20260126-c", "20260126-b")
    assert not compared.same_rows
    assert "A and B on held-out day 2026-01-26, but its logs or features changed in between" in compared.note


def test_a_slice_that_one_model_lacks_has_no_numbers_there(two_models: Line) -> None:
    two_models.model("20260126-c1", SECOND, metrics(SECOND, 0.0, surface="feed"))
    compared = compare(two_models.workspace, "20260126-c", "20260126-b")
    assert [(pair.surface, pair.first is None, pair.second is None) for pair in compared.slices] == [
        ("feed", False, True), ("search", True, False), ("all", False, False),
    ]  # fmt: skip
    assert [pair.improvement for pair in compared.slices] == [None, None, None]  # nothing is better than 0
    assert comparison_table(compared).texts()[1][3:6] == ["–", "200", "–"]
