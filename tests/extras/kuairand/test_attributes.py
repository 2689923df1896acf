"""Length bands and tags of videos."""

import pyarrow as pa

from mtmd.extras.kuairand.source import duration_band, tag_pair


def test_a_duration_band_is_a_quarter_of_a_doubling() -> None:
    lengths = pa.chunked_array([[500.0, 1_000.0, 16_000.0, 19_000.0, 19_100.0, None]])
    # log2(19) · 4 = 16.99 and log2(19.1) · 4 = 17.02; shorter than a second counts as a second
    assert duration_band(lengths).to_pylist() == [0, 0, 16, 16, 17, None]
    assert duration_band(lengths).type == pa.int32()


def test_tags_are_taken_apart_and_missing_ones_are_null() -> None:
    first, second = tag_pair(pa.chunked_array([["39", "7,42", "20,43,3", None]]))
    assert first.to_pylist() == ["39", "7", "20", None]
    assert second.to_pylist() == [None, "42", "43", None]
