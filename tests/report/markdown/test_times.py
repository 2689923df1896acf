"""Durations in words."""

import pytest

from mtmd.report.markdown.times import stage_words, time_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (10.0, "10 s"), (59.6, "1 min 0 s"), (92.0, "1 min 32 s"), (7500, "2 h 5 min")],
)  # fmt: skip
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


def test_stages_come_in_order_and_short_ones_only_count() -> None:
    assert stage_words({"plan": 0.05, "train": 30.0, "prove": 11.0}) == "41 s: train 30 s, prove 11 s"
    assert stage_words({"plan": 0.05}) == "0.1 s"
