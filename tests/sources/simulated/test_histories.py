"""What a user did before: only earlier hours, only the last days, newest first, and the same whenever it is asked."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.sources.simulated.histories import DAYS, LENGTH, DayEvents, Events, Histories
from mtmd.sources.simulated.platform import SimulatedPlatform, simulate
from mtmd.sources.simulated.requests import Requests, draw_requests
from tests.worlds import tiny_world

DAY = date(2026, 1, 20).toordinal()
NOTHING = Events(*(np.zeros(0, np.int64) for _ in range(4)))
WORLD = tiny_world().model_copy(update={"histories": ("recent_ads",)})


def events(*rows: tuple[int, int, int]) -> Events:
    """Of (user, hour, value); odd values are good clicks."""
    user, hour, value = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return Events(user, hour, value, value % 2)


def asked(*rows: tuple[int, int]) -> Requests:
    """Requests of (user, hour of the day)."""
    drawn = draw_requests(SimulatedPlatform(tiny_world()).population, DAY, 0, len(rows))
    users = replace(drawn.users, user_id=np.array([user for user, _ in rows]))
    return replace(drawn, users=users, second=np.array([3600.0 * hour + 59 * 60 for _, hour in rows]))


def bare(requests: Requests) -> pa.Table:
    return pa.table({"request_id": requests.request_id})


def histories(days: dict[int, Events], requests: Requests) -> list[list[int]]:
    def happened(day: date) -> DayEvents:
        return DayEvents(NOTHING, days.get(day.toordinal(), NOTHING))

    table = Histories(("recent_ads",), happened).append(bare(requests), requests, DAY)
    found: list[list[int]] = table.column("recent_ads").to_pylist()
    return found


def test_earlier_hours_of_the_same_day_count_and_the_own_hour_does_not() -> None:
    today = events((5, 24 * DAY + 9, 90), (5, 24 * DAY + 10, 100), (6, 24 * DAY + 8, 80))
    requests = asked((5, 9), (5, 10), (5, 11), (6, 23), (7, 23))
    assert histories({DAY: today}, requests) == [[], [90], [100, 90], [80], []]


def test_the_newest_are_kept_and_of_one_hour_the_later() -> None:
    today = events(*((5, 24 * DAY + 9, n) for n in range(2 * LENGTH)))
    assert histories({DAY: today}, asked((5, 11))) == [list(range(2 * LENGTH - 1, LENGTH - 1, -1))]


def test_the_last_days_count_and_the_newest_come_first() -> None:
    days = {DAY - back: events((5, 24 * (DAY - back) + 3, back)) for back in range(DAYS + 2)}
    assert histories(days, asked((5, 3), (5, 4))) == [list(range(1, DAYS + 1)), list(range(DAYS + 1))]


def test_actions_and_hours_are_of_the_same_clicks() -> None:
    clicks = events((5, 24 * DAY + 9, 90), (5, 24 * DAY - 3, 71), (5, 24 * DAY + 11, 100))
    names = ("recent_ad_hours", "recent_ads", "recent_ad_actions")
    made = Histories(names, lambda day: DayEvents(NOTHING, clicks if day.toordinal() == DAY else NOTHING))
    requests = asked((5, 11), (6, 11))
    assert made.append(bare(requests), requests, DAY).drop_columns(["request_id"]).to_pylist() == [
        {
            "recent_ad_hours": [2.0, 14.0],
            "recent_ads": [90, 71],
            "recent_ad_actions": ["click", "good_click"],
        },
        {"recent_ad_hours": [], "recent_ads": [], "recent_ad_actions": []},
    ]


def read(logs: Path, day: date) -> pa.Table:
    (path,) = (logs / "requests" / f"date={day}").glob("*.parquet")
    return pq.ParquetFile(path).read()


def test_a_day_alone_has_the_histories_that_it_has_in_a_range(tmp_path: Path) -> None:
    first, last = date(2026, 1, 1), date(2026, 1, 3)
    simulate(WORLD, first, last, tmp_path / "range")
    simulate(WORLD, last, last, tmp_path / "alone")
    alone = read(tmp_path / "alone", last)
    assert alone == read(tmp_path / "range", last)
    assert alone.schema.field("recent_ads").type == pa.list_(pa.int64())
    assert "recent_topics" not in alone.column_names
    assert any(alone.column("recent_ads").to_pylist())
