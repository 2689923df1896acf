"""Two versions of the hand-made day: every kind of change is told with its table, column, domain and size."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from mtmd.config import Declarations, Feature
from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.report.shard_changes import ROWS, Change, Values, comparable, shard_changes
from tests.extract.conftest import (
    DAY,
    SCHEMAS,
    Rows,
    ad,
    candidate,
    declarations,
    hand_made_day,
    request,
    write_table,
)

__all__ = ["declarations"]

_WORDS = Feature(name="words", side="query", kind="categorical", buckets=50, multi=True, max_length=3)
_SCHEMAS = SCHEMAS | {"requests": SCHEMAS["requests"].append(pa.field("words", pa.list_(pa.string())))}
Make = Callable[[dict[str, Rows]], Shard]


@pytest.fixture
def listed(declarations: Declarations) -> Declarations:
    """The hand-made declarations with a list."""
    return declarations.model_copy(update={"features": (*declarations.features, _WORDS)})


@pytest.fixture
def make(tmp_path: Path, listed: Declarations) -> Make:
    """The shard of a version of the day."""

    def made(tables: dict[str, Rows]) -> Shard:
        place = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        for table, rows in tables.items():
            write_table(place / "logs", table, DAY, rows, schema=_SCHEMAS[table])
        return open_shard(
            Path(extract_day(LogSource(place / "logs"), DAY, listed, place / "shards").path), verify=True
        )

    return made


def _day() -> dict[str, Rows]:
    """Request 10 has two words, 11 one, and the others none."""
    day = hand_made_day()
    for row in day["requests"]:
        row["words"] = {10: ["a", "b"], 11: ["c"]}.get(row["request_id"], [])
    return day


def _row(day: dict[str, Rows], table: str, **key: int) -> dict[str, object]:
    (found,) = [row for row in day[table] if all(row[name] == value for name, value in key.items())]
    return found


def _changes(make: Make, declarations: Declarations, after: dict[str, Rows]) -> list[Change]:
    return list(shard_changes(make(_day()), declarations, make(after), declarations))


def test_the_same_rows_in_another_order_are_no_change(make: Make, listed: Declarations) -> None:
    day = _day()
    assert _changes(make, listed, {table: rows[::-1] for table, rows in day.items()}) == []


def test_a_number_that_changed_is_told_with_its_domain_and_means(make: Make, listed: Declarations) -> None:
    """Bids of standard were 1.5 twice; one is 150 now. Of shopping's two, one had no bid and has one now."""
    day = _day()
    _row(day, "ads", ad_id=9)["bid"] = 150.0
    _row(day, "ads", ad_id=5)["bid"] = 1.5
    standard, shopping = _changes(make, listed, day)
    assert standard == Change("ads", "bid", "standard", 1, Values(2, 0, 3.0), Values(2, 0, 151.5))
    assert (standard.share, standard.before.mean, standard.after.mean) == (0.5, 1.5, 75.75)
    assert standard.size == pytest.approx(74.25 / 75.75)
    assert shopping == Change("ads", "bid", "shopping", 1, Values(2, 1, 1.5), Values(2, 0, 3.0))
    assert (shopping.before.missing_share, shopping.size) == (0.5, 0.5)


def test_means_are_of_the_numbers_in_the_logs(make: Make, listed: Declarations) -> None:
    """Activity is kept as ln(1 + x): that of request 13 was 3, and is 30 now."""
    day = _day()
    _row(day, "requests", request_id=13)["activity"] = 30.0
    (found,) = _changes(make, listed, day)
    assert (found.column, found.where) == ("activity", "home_feed")
    assert (found.before.mean, found.after.mean) == (pytest.approx(3.0), pytest.approx(30.0))


def test_categories_vectors_and_lists_that_changed_are_told(make: Make, listed: Declarations) -> None:
    day = _day()
    _row(day, "requests", request_id=12)["country"] = "de"  # it had none
    _row(day, "requests", request_id=13)["vector"] = [0.5, 0.5]
    _row(day, "requests", request_id=10)["words"] = ["a", "d"]
    _row(day, "requests", request_id=11)["words"] = []
    assert _changes(make, listed, day) == [
        Change("requests", "country", "search", 1, Values(2, 1), Values(2, 0)),
        Change("requests", "vector", "home_feed", 1, Values(2, 0), Values(2, 0)),
        Change("requests", "words", "home_feed", 1, Values(2, 1), Values(2, 2)),
        Change("requests", "words", "search", 1, Values(2, 1), Values(2, 1)),
    ]


def test_scores_and_outcomes_that_changed_are_told_by_slice(make: Make, listed: Declarations) -> None:
    day = _day()
    _row(day, "candidates", request_id=12, ad_id=5).update(ctr=0.25, clicked=False)
    _row(day, "candidates", request_id=10, ad_id=7).update(octr=None)
    where, other = "search × shopping", "search × standard"
    assert _changes(make, listed, day) == [
        Change("candidates", "teacher score ctr", where, 1, Values(2, 0, 1.25), Values(2, 0, 1.0)),
        Change("candidates", "teacher score octr", other, 1, Values(2, 0, 0.375), Values(2, 1, 0.25)),
        Change("candidates", "clicked", where, 1, Values(2, 1, 1.0), Values(2, 1, 0.0)),
    ]


def test_rows_that_came_and_went_are_counted_by_domain(make: Make, listed: Declarations) -> None:
    """An ad moves to another product, a request is gone with its candidate, and another one came."""
    day = _day()
    day["requests"] = [row for row in day["requests"] if row["request_id"] != 11]
    day["requests"].append(request(14, "search", words=[]))
    day["candidates"] = [row for row in day["candidates"] if row["request_id"] != 11]
    day["candidates"].append(candidate(14, 5, 0.5))
    day["ads"] = [*(row for row in day["ads"] if row["ad_id"] != 6), ad(6, "standard")]
    found = _changes(make, listed, day)
    assert [one for one in found if one.table == "requests"] == [
        Change("requests", ROWS, "home_feed", 1, Values(2), Values(1)),
        Change("requests", ROWS, "search", 1, Values(2), Values(3)),
    ]
    assert [(one.column, one.where, one.changed) for one in found if one.table == "ads"] == [
        ("product", "standard", 1)  # where it is now
    ]
    rows = [one for one in found if one.table == "candidates"]
    assert [(one.column, one.where, one.changed) for one in rows] == [
        (ROWS, "home_feed × standard", 1),
        (ROWS, "search × shopping", 1),
    ]
    assert rows[1].size == 0.5


def test_a_day_without_rows_is_compared_too(make: Make, listed: Declarations) -> None:
    full = make(_day())
    empty = make(_day() | {"candidates": [candidate(10, 6, 0.5)]})
    found = list(shard_changes(empty, listed, full, listed))
    assert {one.where: one.changed for one in found} == {
        "home_feed × standard": 1,
        "search × standard": 2,
        "search × shopping": 3,
    }
    assert found[0].share == 1.0


def test_days_of_one_column_add_up() -> None:
    one = Change("ads", "bid", "search", 1, Values(2, 1, 1.0), Values(2, 1, 4.0))
    assert one + one == Change("ads", "bid", "search", 2, Values(4, 2, 2.0), Values(4, 2, 8.0))
    assert (Values(1) + Values(2)).mean is None


def test_features_that_are_declared_otherwise_are_not_compared(make: Make, listed: Declarations) -> None:
    day = _day()
    for row in day["ads"]:
        row["bid"] = 9.0
    theirs = listed.model_copy(
        update={
            "features": tuple(
                one.model_copy(update={"log1p": True}) if one.name == "bid" else one
                for one in listed.features
            )
        }
    )
    assert list(shard_changes(make(_day()), theirs, make(day), listed)) == []
    assert comparable(listed, theirs)
    tasks = listed.domains.model_copy(update={"tasks": listed.domains.tasks[:1]})
    assert not comparable(listed, listed.model_copy(update={"domains": tasks}))
    products = listed.domains.model_copy(update={"products": ("shopping", "standard")})
    assert not comparable(listed, listed.model_copy(update={"domains": products}))
