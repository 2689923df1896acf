"""Reading KuaiRand-Pure's files: every standard log, no duplicate, clear errors; and what a row becomes."""

from pathlib import Path
from typing import Any

import pytest

from mtmd.errors import LogsError
from mtmd.extras.kuairand.source import SURFACES, kuairand_files, map_exposures, read_source


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


def test_five_tabs_are_kept(made_up: Any) -> None:
    rows = [made_up.exposure(1, 100, made_up.midnight + tab, tab=tab) for tab in range(15)]
    exposures = map_exposures(read_source(made_up.write(rows)))
    assert [SURFACES[i] for i in exposures.surface] == ["tab_0", "tab_1", "tab_2", "tab_4", "tab_6"]


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        ({"is_click": 1, "play_time_ms": 30_001}, (True, True, False)),
        ({"is_click": 1, "play_time_ms": 30_000}, (True, False, False)),
        ({"is_click": 0, "play_time_ms": 90_000}, (False, False, False)),
        ({"is_click": 1, "is_profile_enter": 1}, (True, False, True)),
        ({"is_click": 0, "is_profile_enter": 1}, (False, False, False)),
    ],
)
def test_good_and_outbound_clicks_need_a_click(
    made_up: Any, row: dict[str, int], labels: tuple[bool, ...]
) -> None:
    source = read_source(made_up.write([made_up.exposure(1, 100, made_up.midnight, **row)]))
    assert tuple(map_exposures(source).labels[0]) == labels


def test_the_clock_is_time_ms_in_utc_and_the_hour_is_chinese(made_up: Any) -> None:
    rows = [
        made_up.exposure(1, 100, made_up.midnight - 1),
        made_up.exposure(1, 100, made_up.midnight, date=20220419),  # which disagrees, and is not used
    ]
    exposures = map_exposures(read_source(made_up.write(rows)))
    days = exposures.day.astype("datetime64[D]").astype(str).tolist()
    assert days == ["2022-04-17", "2022-04-18"]
    assert exposures.hour.tolist() == [7, 8]


def test_a_request_is_one_user_tab_and_hour(made_up: Any) -> None:
    rows = [
        made_up.exposure(1, 100, made_up.midnight),
        made_up.exposure(1, 101, made_up.midnight + made_up.hour - 1),
        made_up.exposure(1, 102, made_up.midnight + made_up.hour),
        made_up.exposure(1, 103, made_up.midnight + made_up.hour, tab=0),
        made_up.exposure(2, 104, made_up.midnight + made_up.hour),
    ]
    exposures = map_exposures(read_source(made_up.write(rows)))
    by_video = dict(zip(exposures.video.tolist(), exposures.request_id.tolist(), strict=True))
    assert by_video[0] == by_video[1]
    assert len(set(by_video.values())) == 4
    hour = made_up.midnight // made_up.hour
    assert by_video[0] == hour * 2**24 + 1 * 2**4 + 1


def test_a_video_shown_again_in_a_request_stays_once_with_its_first_outcome(made_up: Any) -> None:
    rows = [
        made_up.exposure(1, 100, made_up.midnight + 9, is_click=1),
        made_up.exposure(1, 100, made_up.midnight + 3),
    ]
    exposures = map_exposures(read_source(made_up.write(rows)))
    assert len(exposures) == 1
    assert not exposures.labels[0, 0]


@pytest.mark.parametrize(
    ("user", "video", "tab", "words"),
    [
        (1, 100, 9, r"none of the 1 exposures is on a tab that is read; .* \[0, 1, 2, 4, 6\]"),
        (1, 999, 1, r"1 exposures have a video_id \(first: 999\)"),
    ],
)
def test_exposures_that_cannot_be_mapped_are_named(
    made_up: Any, user: int, video: int, tab: int, words: str
) -> None:
    source = read_source(made_up.write([made_up.exposure(user, video, made_up.midnight, tab=tab)]))
    with pytest.raises(LogsError, match=words):
        map_exposures(source)
