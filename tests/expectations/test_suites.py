"""The suites as data: structure and descriptions."""

import pytest

from mtmd.config import Preset
from mtmd.expectations import Measure, day_expectations


@pytest.mark.parametrize("table", ["requests", "ads", "candidates"])
def test_every_expectation_is_named_once_and_says_what_goes_wrong(tiny_preset: Preset, table: str) -> None:
    suite = day_expectations(tiny_preset)[table]
    assert len({expect.name for expect in suite}) == len(suite) > 3
    for expect in suite:
        assert len(expect.description) > 30
        assert expect.description.endswith(".")


@pytest.mark.parametrize("constrained", [True, False])
def test_child_tasks_are_held_to_their_parents(tiny_preset: Preset, constrained: bool) -> None:
    """Whether the model uses the tree or not: it is a fact of the logs."""
    domains = tiny_preset.domains.model_copy(update={"constrained": constrained})
    preset = tiny_preset.model_copy(update={"domains": domains})
    names = {expect.name for expect in day_expectations(preset)["candidates"]}
    assert {"gctr_at_most_ctr", "octr_at_most_ctr", "good_clicked_only_if_clicked"} <= names
    assert "ctr_at_most_gctr" not in names


def test_each_measure_is_judged(tiny_preset: Preset) -> None:
    names = {expect.name for suite in day_expectations(tiny_preset).values() for expect in suite}
    assert {f"{measure}_steady" for measure in Measure} <= names
