"""Findings: names that are near, numbers in words, and whether a check has passed."""

import pytest

from mtmd.project.findings import Part, ProjectCheck, counted, error, fact, nearest, warning


@pytest.mark.parametrize(
    ("name", "near"), [("uid", "user_id"), ("Ad-ID", "ad_id"), ("bucket", "buckets"), ("colour", None)]
)
def test_a_near_name_is_found_whatever_its_case_and_underscores(name: str, near: str | None) -> None:
    assert nearest(name, ["user_id", "ad_id", "buckets"]) == near


def test_numbers_are_counted_in_words() -> None:
    assert (counted(1, "row"), counted(2000, "row")) == ("1 row", "2,000 rows")


def test_only_an_error_fails_a_check() -> None:
    hint, good = warning(Part.ROWS, "ads", "few", "more"), fact(Part.ROWS, "ads", "some")
    assert ProjectCheck(preset="p", findings=(hint, good)).passed
    assert not ProjectCheck(preset="p", findings=(hint, error(Part.ROWS, "ads", "none", "more"))).passed
