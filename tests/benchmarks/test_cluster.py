"""The table of backfills on clusters; the command itself runs the flows that tests/flows/test_runners.py runs."""

from benchmarks.cluster import Case, table


def test_a_case_is_compared_with_the_first_by_time_and_by_digests() -> None:
    first = Case(1, 60.0, {"item.onnx": "a"})
    rows = table([first, Case(2, 40.0, {"item.onnx": "a"}), Case(4, 30.0, {"item.onnx": "b"})]).rows
    assert [row[2:] for row in rows] == [("1.00 ×", "yes"), ("1.50 ×", "yes"), ("2.00 ×", "no")]
