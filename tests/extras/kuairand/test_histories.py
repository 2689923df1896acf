"""What a request looks back on: earlier days alone, newest first, with what the user did."""

from typing import Any

import pyarrow as pa

from mtmd.config import load_preset
from mtmd.extras.kuairand.mapping import map_exposures
from mtmd.extras.kuairand.source import read_source
from mtmd.extras.kuairand.tables import COLUMNS, LogTables


def requests_of_the_last_day(made_up: Any) -> pa.Table:
    """User 1 saw videos 100 to 103 on two days, and asks on the third; user 2 asks for the first time."""
    second, hour, day = 1_000, 3_600_000, made_up.day
    rows = [
        made_up.exposure(1, 101, made_up.midnight + hour, is_click=1),
        made_up.exposure(1, 102, made_up.midnight + 2 * hour, is_click=1, play_time_ms=40_000),
        made_up.exposure(1, 100, made_up.midnight + 3 * hour, is_click=1),  # has no tag
        made_up.exposure(1, 103, made_up.midnight + day + hour, is_click=1, is_profile_enter=1),
        made_up.exposure(1, 101, made_up.midnight + day + 2 * hour),
        made_up.exposure(1, 102, made_up.midnight + 2 * day + hour, is_click=1),
        made_up.exposure(1, 103, made_up.midnight + 2 * day + 3 * hour + 1_800 * second),
        made_up.exposure(2, 103, made_up.midnight + 2 * day + 4 * hour),
    ]
    source = read_source(made_up.write(rows))
    exposures, _ = map_exposures(source)
    tables = LogTables(source, exposures, load_preset("kuairand-histories").declarations)
    return tables.day(int(exposures.day.max()))["requests"].sort_by("ts")


def test_a_request_sees_the_days_before_its_own_newest_first(made_up: Any) -> None:
    found = requests_of_the_last_day(made_up).select(COLUMNS).to_pylist()
    tags = {100 + i: video["tag"] for i, video in enumerate(made_up.videos(4))}
    before = {
        "recent_ads": [101, 103, 100, 102, 101],
        "recent_ad_actions": ["shown", "profile_enter", "click", "good_click", "click"],
        "recent_ad_hours": [23.0, 24.0, 46.0, 47.0, 48.0],
        "recent_tags": [str(tags[video]).split(",")[0] for video in (103, 102, 101)],
    }
    later = before | {"recent_ad_hours": [hours + 2.5 for hours in before["recent_ad_hours"]]}
    nothing = {name: [] for name in COLUMNS}
    assert found == [before, later, nothing]
