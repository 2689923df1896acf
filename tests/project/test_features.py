"""Features of a day: nulls, values, hash buckets, constants and vectors."""

import duckdb
import pytest

from mtmd.config import Feature
from mtmd.project.features import MOST_COLLIDING, _of_lists, colliding_share, enough_buckets
from mtmd.project.findings import Level, Part
from mtmd.validate.gx_duckdb import Database
from tests.project.conftest import Project


def test_the_expected_share_of_colliding_values() -> None:
    assert colliding_share(1, 5) == 0
    assert colliding_share(2, 4) == pytest.approx(1 / 4)
    assert colliding_share(3, 4) == pytest.approx(1 - 9 / 16)
    assert colliding_share(0, 4) == 0


@pytest.mark.parametrize(("values", "buckets"), [(2, 10), (97, 920), (1000, 9500), (20_000, 190_000)])
def test_the_buckets_that_are_proposed_are_the_least_of_two_digits(values: int, buckets: int) -> None:
    assert enough_buckets(values) == buckets
    unit = 10 ** (len(str(buckets)) - 2)
    assert colliding_share(values, buckets) <= MOST_COLLIDING < colliding_share(values, buckets - unit)


def test_nulls_and_values_are_those_of_the_domains_that_have_the_feature(project: Project) -> None:
    project.damage(
        "ads",
        "update t set price = 1 + ad_id % 4, category = ad_id % 3 where product = 'shopping'",
        "update t set price = null where product = 'shopping' and ad_id % 4 = 0",
        "update t set ad_vector = null",
    )
    facts = dict(fact.split(": ", 1) for fact in project.facts(Part.FEATURES))
    assert facts["ads.price"].endswith("% null, 3 distinct values")
    assert 0 < float(facts["ads.price"].split("%")[0]) < 60
    assert facts["ads.category"] == "0.0% null, 3 distinct values in 8,192 buckets: 0.0% collide"
    assert facts["requests.weekday"] == "0.0% null, 1 distinct value in 256 buckets: 0.0% collide"
    assert facts["ads.ad_vector"] == "100.0% null"
    assert project.hints(Part.FEATURES) == [
        "ads.ad_vector: null in every row of its domains → deliver it, or take it out of the preset"
    ]


def test_constants_and_crowded_buckets_are_hints(project: Project) -> None:
    project.damage(
        "ads", "update t set bid = 2", "update t set creative_style = 's' || ad_id where product = 'standard'"
    )
    project.damage("ads", "update t set topic = 1")  # a constant category says the same, and costs nothing
    project.say("[change_features.ad_id]", "buckets = 300")
    assert project.hints(Part.FEATURES) == [
        "ads.bid: the same number in every row → it says nothing: deliver it, or take it out",
        "ads.ad_id: 0.0% null, 150 distinct values in 300 buckets: 39.2% collide → "
        "set buckets = 1500 or more: other days have further values",
    ]


def test_vectors_of_another_length_and_with_holes_are_counted(project: Project) -> None:
    project.damage("ads", "update t set ad_vector = [1, 2] where ad_vector is not null")
    project.damage(
        "requests",
        "update t set user_vector = [1] where request_id = (select min(request_id) from t)",
        "update t set user_vector = user_vector[1:15] || [null] where len(user_vector) = 16 and request_id % 2 = 0",
    )
    short, holes, ads = project.problems(Part.FEATURES)
    assert short == "requests.user_vector: 1 vector of length 1; width is 16 → write vectors of one length"
    assert holes.startswith("requests.user_vector: ")
    assert " vectors have a component that is null or not finite → write null for the whole vector" in holes
    assert ads.endswith(
        " vectors of length 2; width is 16 → set width = 2 in the preset, if all days have it"
    )


WORDS = Feature(
    name="words", side="query", kind="categorical", buckets=50, multi=True, max_length=3, weights="word_weights",
    actions="word_actions",
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "level", "text"),
    [
        ("(['a', 'b'], 2, 0, true, true)", Level.FACT, "lists of 2.0 values on average, 2 at most"),
        ("(['a', null], 2, 1, true, true)", Level.ERROR, "1 list with a null inside"),
        ("(['a'], 1000000, 0, true, true)", Level.ERROR, "a list of 1,000,000 values; 10,000 are allowed"),
        ("(['a'], 4, 0, true, true)", Level.WARNING, "1 list of more than max_length = 3 values"),
        ("(['a'], 1, 0, false, true)", Level.ERROR,
         "1 row without a number from 0 to 1e18 in word_weights for each value"),
        ("(['a'], 1, 0, true, false)", Level.ERROR, "1 row without a text in word_actions for each value"),
    ],
)  # fmt: skip
def test_lists_are_measured_and_what_is_wrong_is_found(row: str, level: Level, text: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            'create table requests (words varchar[], "words.length" integer, "words.nulls" integer, '
            '"words.weights" boolean, "words.actions" boolean)'
        )
        connection.execute(f"insert into requests values {row}")
        found = list(_of_lists(Database(url="", connection=connection), "requests", WORDS))
    assert (found[-1].level, found[-1].text) == (level, text)
    assert found[0].level is Level.FACT
