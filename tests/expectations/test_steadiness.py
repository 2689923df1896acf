"""Two expectations for each measure: what stops the run, and what is shown."""

from mtmd.expectations import Needs, Severity, SuiteTable
from mtmd.expectations.steadiness import Measure, steady


def test_a_measure_has_an_expectation_that_stops_and_one_that_warns() -> None:
    stops, warns = steady(SuiteTable.ADS, Measure.NULLS, "price", "Why.")
    assert (stops.name, stops.severity) == ("null_rates_steady", Severity.CRITICAL)
    assert (warns.name, warns.severity) == ("null_rates_as_usual", Severity.WARNING)
    assert {stops.needs, warns.needs} == {Needs.TRAILING}
    assert "side = 'ads' and measure = 'null_rates' and stops" in stops.query
    assert "side = 'ads' and measure = 'null_rates' and not stops" in warns.query
    assert warns.description.endswith("Why.")
