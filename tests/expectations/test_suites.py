"""The suites as documents: structure, descriptions, JSON."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from mtmd.config import Preset
from mtmd.expectations import Needs, Severity, ads_suite, candidates_suite, requests_suite, window_suite
from mtmd.validate.gx_duckdb import load

SUITES = [requests_suite, ads_suite, candidates_suite, window_suite]


@pytest.fixture(params=SUITES, ids=lambda build: build.__name__)
def suite(request: pytest.FixtureRequest, tiny_preset: Preset):
    load()
    build: Callable = request.param
    return build(tiny_preset)


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
    load()
    names = [e.meta["name"] for e in requests_suite(tiny_preset).expectations]
    checks = ["has_rows", "ts_not_null", "ts_inside_the_day"]
    assert all(names.index(first) < names.index(second) for first, second in pairwise(checks))


@pytest.mark.parametrize("constrained", [True, False])
def test_child_tasks_are_held_to_their_parents(tiny_preset: Preset, constrained: bool) -> None:
    """Whether the model uses the tree or not: it is a fact of the logs."""
    load()
    domains = tiny_preset.domains.model_copy(update={"constrained": constrained})
    preset = tiny_preset.model_copy(update={"domains": domains})
    names = {e.meta["name"] for e in candidates_suite(preset).expectations}
    assert {"gctr_at_most_ctr", "octr_at_most_ctr", "good_clicked_only_if_clicked"} <= names
    assert "ctr_at_most_gctr" not in names
