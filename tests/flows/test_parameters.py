"""What is refused when a run is submitted: the server validates with this function and nothing else."""

import json
from typing import Any

import pytest
from prefect import Flow
from prefect.utilities.schema_tools.validation import ValidationError, validate

from mtmd.flows import ablation, backfill, daily_retrain


def _submit(flow: Flow[..., Any], **parameters: Any) -> None:
    schema = flow.parameters.model_dump_for_openapi()
    validate(json.loads(json.dumps(parameters)), schema, raise_on_error=True)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"preset": "tiny", "as_of": "2026-01-25", "window_days": 7},
        {"preset": "presets/mine.toml", "as_of": "2024-02-29"},
        {"as_of": None, "window_days": None, "override": "known holiday"},
    ],
)
def test_what_can_run_is_taken(parameters: dict[str, Any]) -> None:
    _submit(daily_retrain.daily_retrain, **parameters)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"preset": "dmeo"}, "'preset'. Failure reason: 'dmeo' does not match"),
        ({"as_of": "25.1.2026"}, "'as_of'. Failure reason: '25.1.2026' does not match"),
        ({"as_of": "2026-13-01"}, "'2026-13-01' does not match"),
        ({"as_of": "2026-1-25"}, "'2026-1-25' does not match"),
        ({"window_days": 6}, "'window_days'. Failure reason: 6 is less than the minimum of 7"),
        ({"window_days": 61}, "61 is greater than the maximum of 60"),
        ({"override": "  "}, "'  ' does not match"),
    ],
)
def test_what_cannot_run_is_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _submit(daily_retrain.daily_retrain, **parameters)
    assert words in str(refused.value)


def test_days_and_names_of_other_flows_are_checked_too() -> None:
    _submit(backfill.backfill, first="2026-01-23", last="2026-01-25")
    with pytest.raises(ValidationError, match="'23' does not match"):
        _submit(backfill.backfill, first="23", last="2026-01-25")
    with pytest.raises(ValidationError, match="'last' is a required property"):
        _submit(backfill.backfill, first="2026-01-23")
    _submit(ablation.ablation, names=["no_dcn"])
    with pytest.raises(ValidationError, match="'no_dnc' is not one of"):
        _submit(ablation.ablation, names=["no_dnc"])
