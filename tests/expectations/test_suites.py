"""The suites as documents: structure, descriptions, JSON."""

from itertools import pairwise

import pytest

from mtmd.config import Preset
from mtmd.expectations import Measure, Needs, Severity, SuiteTable, day_expectations
from mtmd.expectations.common import steady
from mtmd.validate.gx_duckdb import load
from mtmd.validate.suites import day_suites, window_suites

TABLES = ("requests", "ads", "candidates", "trailing_domains")


@pytest.fixture(params=TABLES)
def suite(request: pytest.FixtureRequest, tiny_preset: Preset):
    return (day_suites(tiny_preset) | window_suites(tiny_preset))[request.param]


def test_a_suite_starts_with_a_row_count(suite) -> None:
    assert type(suite.expectations[0]).__name__ == "ExpectTableRowCountToBeBetween"
    assert suite.expectations[0].min_value == 1


def test_every_expectation_is_named_once_and_says_what_goes_wrong(suite) -> None:
    names = [expectation.meta["name"] for expectation in suite.expectations]
    assert len(set(names)) == len(names) > 3
    for expectation in suite.expectations:
        assert len(expectation.description) > 30
        assert expectation.description.endswith(".")
        assert Needs(expectation.meta["needs"])
        assert Severity(expectation.severity)


def test_a_suite_survives_json(suite) -> None:
    gx = load()
    document = suite.to_json_dict()
    document.pop("id", None)
    for expectation in document["expectations"]:
        expectation.pop("id", None)
    again = gx.ExpectationSuite(**document)
    assert [e.configuration.to_json_dict() for e in again.expectations] == [
        e.configuration.to_json_dict() for e in suite.expectations
    ]


def test_not_null_comes_before_the_checks_of_a_column(tiny_preset: Preset) -> None:
    names = [expect.name for expect in day_expectations(tiny_preset)["requests"]]
    checks = ["ts_not_null", "ts_inside_the_day"]
    assert all(names.index(first) < names.index(second) for first, second in pairwise(checks))


@pytest.mark.parametrize("constrained", [True, False])
def test_child_tasks_are_held_to_their_parents(tiny_preset: Preset, constrained: bool) -> None:
    """Whether the model uses the tree or not: it is a fact of the logs."""
    domains = tiny_preset.domains.model_copy(update={"constrained": constrained})
    preset = tiny_preset.model_copy(update={"domains": domains})
    names = {expect.name for expect in day_expectations(preset)["candidates"]}
    assert {"gctr_at_most_ctr", "octr_at_most_ctr", "good_clicked_only_if_clicked"} <= names
    assert "ctr_at_most_gctr" not in names


def test_a_measure_has_an_expectation_that_stops_and_one_that_warns() -> None:
    stops, warns = steady(SuiteTable.ADS, Measure.NULLS, "price", "Why.")
    assert (stops.name, stops.severity) == ("null_rates_steady", Severity.CRITICAL)
    assert (warns.name, warns.severity) == ("null_rates_as_usual", Severity.WARNING)
    assert {stops.needs, warns.needs} == {Needs.TRAILING}
    assert "side = 'ads' and measure = 'null_rates' and stops" in stops.query
    assert "side = 'ads' and measure = 'null_rates' and not stops" in warns.query
    assert warns.description.endswith("Why.")
