"""Models and runs by the names that people type."""

import pytest

from mtmd.errors import BundleError, RegistryError
from mtmd.inspect import find_model, stored_model
from mtmd.store.files import remove
from tests.inspect.conftest import FIRST, SECOND, Line, metrics


def test_a_model_is_found_as_champion_by_its_id_and_by_its_beginning(two_models: Line) -> None:
    for name in ("champion", "20260125-a1", "20260125", "20260125-a"):
        assert find_model(two_models.workspace, name) == "20260125-a1"
    two_models.model("20260125-a12", FIRST, metrics(FIRST, 0.5))
    assert find_model(two_models.workspace, "20260125-a1") == "20260125-a1"  # a whole id is no beginning


def test_a_name_of_no_model_or_of_several_is_refused_with_what_there_is(two_models: Line) -> None:
    with pytest.raises(
        RegistryError,
        match=r"'2026' is the beginning of 2 models in .*models: \['20260125-a1', '20260126-b1'\]",
    ):
        find_model(two_models.workspace, "2026")
    with pytest.raises(
        RegistryError, match=r"'x' is the beginning of 0 models .*; use 'champion', or .*'20260126-b1'"
    ):
        find_model(two_models.workspace, "x")


def test_a_model_has_its_run_and_metrics(two_models: Line) -> None:
    run = two_models.decide("20260125-a1", FIRST, failed=("champion",))
    two_models.decide("20260126-other", SECOND)
    found = [stored_model(two_models.workspace, name) for name in ("champion", "20260126-b1")]
    assert [(one.model_id, one.live, one.run) for one in found] == [
        ("20260125-a1", True, run.name), ("20260126-b1", False, None),
    ]  # fmt: skip
    assert found[0].metrics == metrics(FIRST, 0.5)


def test_metrics_that_cannot_be_read_are_named(two_models: Line) -> None:
    remove(two_models.registry.path("20260125-a1") / "metrics.json")
    with pytest.raises(BundleError, match=r"metrics\.json of model '20260125-a1' cannot be read"):
        stored_model(two_models.workspace, "champion")
