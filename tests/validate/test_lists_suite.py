"""Each damage to a list fails exactly the expectation it is about; request i of the day has id 1000 · day + i.

Every 10th list is null, and all of home_feed are; the others have three values.
"""

from datetime import date, timedelta
from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.features.requests import LONGEST_LIST
from mtmd.logs.source import LogSource
from mtmd.validate.runner import validate_day
from tests.validate.conftest import Logs

FIRST = "request_id % 1000"
LISTS = [
    {"name": "words", "buckets": 100, "max_length": 4, "domains": ["search", "related_pin"]},
    {
        "name": "tags",
        "buckets": 100,
        "max_length": 3,
        "weights": "tag_weights",
        "actions": "tag_actions",
        "ages": "tag_ages",
    },
]


@pytest.fixture
def listed(tmp_path: Path, strict_preset: Preset, day: date) -> Logs:
    lists = [{"side": "query", "kind": "multivalued"} | feature for feature in LISTS]
    content = strict_preset.model_dump()
    preset = Preset.model_validate(content | {"features": [*content["features"], *lists]})
    made = Logs(tmp_path / "listed", preset)
    made.write(day)
    return made


def test_undamaged_lists_pass(listed: Logs) -> None:
    assert listed.failing() == {}


@pytest.mark.parametrize(
    ("sql", "expectation", "count"),
    [
        (f"update t set words = ['a', null] where {FIRST} in (1, 2)", "lists_whole", 2),
        (f"update t set words = ['a', 'a', 'a', 'a', 'a'] where {FIRST} = 1", "lists_within_max_length", 1),
        (f"update t set words = ['a', repeat('b', 1025)] where {FIRST} in (1, 2)", "categories_short", 2),
        (
            f"update t set tag_actions = ['a', repeat('b', 1025), 'a'] where {FIRST} = 1",
            "categories_short",
            1,
        ),
        (f"update t set words = ['a'] where {FIRST} in (0, 3)", "features_null_where_lacking", 2),
        (
            f"update t set tag_weights = case {FIRST} when 0 then [1, 2] when 1 then null when 2 then [1, null, 1] "
            "when 3 then [1, 'nan'::float, 1] when 4 then [1, 'inf'::float, 1] else [1, -0.5, 1] end "
            f"where {FIRST} < 6",
            "list_weights_sound",
            6,
        ),
        (
            f"update t set tag_actions = case {FIRST} when 0 then ['a'] when 1 then null else ['a', null, 'b'] end "
            f"where {FIRST} < 3",
            "list_actions_sound",
            3,
        ),
        (f"update t set tag_ages = [1, -0.5, 1] where {FIRST} < 2", "list_ages_sound", 2),
        # nanoseconds since 1970: the service refuses them, and every candidate would fail its proof
        (f"update t set tag_ages = [1, 1.77e18, 1] where {FIRST} < 2", "list_ages_sound", 2),
        (
            f"update t set tags = [], tag_weights = null, tag_actions = [], tag_ages = null where {FIRST} = 1",
            None,
            0,
        ),
    ],
)
def test_damage_fails_its_expectation(listed: Logs, sql: str, expectation: str | None, count: int) -> None:
    listed.damage("requests", sql)
    assert listed.failing() == ({} if expectation is None else {f"requests.{expectation}": count})


def test_a_list_of_a_million_values_fails_and_says_so_of_its_feature(listed: Logs) -> None:
    listed.damage("requests", f"update t set words = list_resize(words, 1000000, 'a') where {FIRST} = 1")
    assert listed.failing() == {"requests.lists_whole": 1, "requests.lists_within_max_length": 1}
    (found,) = [result for result in listed.validate().results if result.name == "lists_whole"]
    assert str(LONGEST_LIST) in found.description
    assert found.samples
    assert found.samples[0]["features"] == "words"


def test_recoded_values_and_lists_that_go_missing_are_compared_with_earlier_days(
    listed: Logs, day: date
) -> None:
    before = day - timedelta(days=1)
    listed.write(before)
    yesterday = validate_day(LogSource(listed.root), before, listed.preset, ()).profile
    assert yesterday is not None
    (cells,) = [
        profile.cells
        for profile in yesterday.categories
        if (profile.feature, profile.domain) == ("tags", "search")
    ]
    assert sum(cells.values()) == 3 * 18
    listed.damage(
        "requests",
        "update t set tags = [], tag_weights = [], tag_actions = [], tag_ages = [] where surface = 'search'",
    )
    assert listed.failing(yesterday) == {"requests.null_rates_steady": 1}


def test_a_text_of_two_million_characters_in_a_list_stops_the_day(listed: Logs) -> None:
    listed.damage("requests", f"update t set tags = ['a', repeat('b', 2000000), 'c'] where {FIRST} = 1")
    assert [failure.name for failure in listed.validate().failures] == ["categories_bounded"]


def test_a_text_that_is_not_read_of_a_list_may_be_long(listed: Logs) -> None:
    long = "['a', 'a', 'a', 'a', repeat('b', 2000000)]"
    listed.damage("requests", f"update t set words = {long} where {FIRST} = 1")
    assert listed.failing() == {"requests.lists_within_max_length": 1}
