"""Reading KuaiRand-Pure's files: every standard log, no duplicate, and clear errors."""

from pathlib import Path
from typing import Any

import pytest

from mtmd.errors import LogsError
from mtmd.extras.kuairand.source import kuairand_files, read_source


def test_plain_and_gzipped_logs_are_all_read_in_order_of_time(made_up: Any) -> None:
    first = made_up.exposure(1, 100, made_up.midnight + 5)
    source = read_source(made_up.write([first], late=[made_up.exposure(2, 101, made_up.midnight + 3)]))
    assert source.exposures["user_id"].to_pylist() == [2, 1]


def test_rows_equal_in_every_column_are_dropped(made_up: Any) -> None:
    row = made_up.exposure(1, 100, made_up.midnight)
    other = row | {"play_time_ms": 1}  # differs in one column: not an exact duplicate
    source = read_source(made_up.write([row, row, other], late=[row]))
    assert source.exposures.num_rows == 2


def test_leaking_and_random_files_are_not_read(made_up: Any) -> None:
    folder = made_up.write([made_up.exposure(1, 100, made_up.midnight)])
    for name in ("video_features_statistic_pure.csv", "log_random_4_22_to_5_08_pure.csv"):
        (folder / name).write_text("never,read\n")
    assert not any("statistic" in path.name or "random" in path.name for path in kuairand_files(folder))


def test_a_folder_without_logs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogsError, match=rf"{tmp_path} has no log_standard_\*_pure.csv"):
        read_source(tmp_path)


def test_a_missing_table_is_an_error_that_names_it(made_up: Any) -> None:
    folder = made_up.write([made_up.exposure(1, 100, made_up.midnight)])
    (folder / "user_features_pure.csv").unlink()
    with pytest.raises(LogsError, match=r"has no user_features_pure\.csv or user_features_pure\.csv\.gz"):
        read_source(folder)
