"""Features of a day: nulls, values, hash buckets and constants."""

import pytest

from mtmd.project.findings import Part
from mtmd.project.rows import MOST_COLLIDING, colliding_share, enough_buckets
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
    assert project.hints(Part.FEATURES) == [
        "ads.ad_vector: 100.0% null → deliver it, or take it out of the preset"
    ]


def test_constants_and_crowded_buckets_are_hints(project: Project) -> None:
    project.damage(
        "ads", "update t set bid = 2", "update t set creative_style = 's' || ad_id where product = 'standard'"
    )
    project.damage("ads", "update t set topic = 1")  # a constant category says the same, and costs nothing
    project.say("[change_features.ad_id]", "buckets = 300")
    assert project.hints(Part.FEATURES) == [
        "ads.bid: 0.0% null, 1 distinct value → it says nothing: deliver it, or take it out",
        "ads.ad_id: 0.0% null, 150 distinct values in 300 buckets: 39.2% collide → "
        "set buckets = 1500 or more: other days have further values",
    ]
