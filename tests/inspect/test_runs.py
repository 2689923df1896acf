"""The table of runs for a terminal."""

from mtmd.inspect.runs import runs_table, shortened
from mtmd.report.past import runs
from tests.inspect.conftest import SECOND, Line


def test_the_table_shows_whole_seconds_and_the_beginning_of_a_reason(line: Line) -> None:
    line.decide("20260126-b1", SECOND, refusal="r" * 40, preset={})
    (row,) = runs_table(runs(line.workspace, 1), "artifacts/tiny").texts()
    assert row == [
        "2026-01-26", "2026-01-01 00:01", "kept", "20260126-b1", "12,345", "62", f"{'r' * 25}…",
    ]  # fmt: skip


def test_a_line_without_runs_has_an_empty_table() -> None:
    assert runs_table((), "artifacts/tiny").title == "the last 0 runs of artifacts/tiny"


def test_a_text_is_shortened_to_its_width() -> None:
    assert shortened("abcd", 4) == "abcd"
    assert shortened("abcde", 4) == "abc…"
