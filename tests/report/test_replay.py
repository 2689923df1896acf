"""The tables of a replay that was worked out by hand: one request of four candidates on one surface."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.replay import ReplayReport, replay_day
from mtmd.report.sections import replay, replay_table
from tests.evaluate.conftest import declarations

__all__ = ["declarations"]

CONFIG = EvaluationConfig(replay_top=2, replay_kept=(2, 3), resamples=100)


@pytest.fixture(scope="module")
def day() -> HeldOutDay:
    """Two requests in home feed × standard, for ctr: A to D of 0.4 to 0.1, and one that has nothing to choose."""
    teacher = np.full((5, 3), 0.05, np.float32)
    teacher[:, 0] = [0.4, 0.3, 0.2, 0.1, 0.5]
    return HeldOutDay(
        teacher=teacher,
        labels=np.full((5, 3), -1, np.int8),
        impressed=np.zeros(5, np.bool_),
        domain=np.zeros(5, np.int64),
        request=np.array([0, 0, 0, 0, 1]),
    )


@pytest.fixture(scope="module")
def report(day: HeldOutDay, declarations: Declarations) -> ReplayReport:
    """By value D, B, A, C (1.0, 0.6, 0.4, 0.2): mtmd would have C before B, the champion knows all."""
    guess = np.repeat(np.array([0.4, 0.05, 0.35, 0.1, 0.5])[:, None], 3, axis=1)
    predictions = {"mtmd": np.log(guess), "champion": np.log(day.teacher)}
    bid = np.array([1.0, 2.0, 1.0, 10.0, np.nan])
    return replay_day(date(2026, 1, 21), declarations, day, bid, predictions, CONFIG, reference="champion")


def test_the_table_has_a_row_per_cut_and_quantity(report: ReplayReport) -> None:
    """By value mtmd has D, A, C, B: of D and A it loses B, 1.4 of 1.6; of three the same."""
    table = replay_table(report)
    names = [column.name for column in table.columns]
    assert names == ["kept", "requests cut", "share of", "mtmd", "champion", "difference", "at random"]
    texts = table.texts()
    assert [row[:3] for row in texts] == [
        ["2", "1", "the top 2"], ["2", "1", "value"], ["3", "1", "the top 2"], ["3", "1", "value"],
    ]  # fmt: skip
    assert [row[3].split()[0] for row in texts[:2]] == ["50.00%", "87.50%"]
    assert [row[4].split()[0] for row in texts[:2]] == ["100.00%"] * 2
    assert [row[5].split()[0] for row in texts[:2]] == ["−50.00%", "−12.50%"]


def test_words_say_what_is_counted(day: HeldOutDay, declarations: Declarations, report: ReplayReport) -> None:
    """The request with one candidate whose bid is unknown has none to rank by value."""
    assert replay(report).lead == (
        "1 of 1 requests have two candidates, and are replayed. 1 candidates have no bid, so no value"
    )
    predictions = {"mtmd": np.log(day.teacher)}
    alone = replace(day, request=np.arange(5))
    found = replay_day(
        date(2026, 1, 21), declarations, alone, np.ones(5), predictions, CONFIG, reference="mtmd"
    )
    assert replay(found).lead == "0 of 5 requests have two candidates, and are replayed"
    assert replay_table(found).rows == ()
