"""What is refused when a run is submitted (the server validates with this function alone); and the chosen runner."""

import json
from typing import Any

import pytest
from prefect import Flow, flow
from prefect.client.orchestration import get_client
from prefect.utilities.schema_tools.validation import ValidationError, validate

from mtmd import extension
from mtmd.errors import ConfigError
from mtmd.flows import ablation, backfill, daily_retrain, parameters
from mtmd.flows.parameters import described


def _submit(flow: Flow[..., Any], **parameters: Any) -> None:
    schema = flow.parameters.model_dump_for_openapi()
    validate(json.loads(json.dumps(parameters)), schema, raise_on_error=True)


@pytest.mark.parametrize(
    ("given", "words"),
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
def test_what_cannot_run_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _submit(daily_retrain.daily_retrain, **given)
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


def test_parts_run_on_this_machine_unless_a_cluster_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(parameters.RUNNER, raising=False)
    assert parameters.chosen_runner() == "threads"
    monkeypatch.setenv(parameters.RUNNER, "dask")
    monkeypatch.setattr(extension, "names", lambda: ())
    with pytest.raises(
        ConfigError, match=r"MTMD_RUNNER \('dask'\) needs the extra 'clusters', which is not in"
    ):
        parameters.chosen_runner()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError("n (3) must be 2", "write 2"), "n (3) must be 2; write 2\npage: p.html"),
        (ConfigError("n is wrong:\n  a: 1\n  b: 2"), "n is wrong:\npage: p.html\n  a: 1\n  b: 2"),
        (KeyError("n"), "KeyError: 'n'\npage: p.html"),
    ],
)
def test_the_message_of_a_failed_run_begins_with_the_cause(
    prefect_server: str, error: Exception, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also on the server, from where alerts take it; the caller has the error itself."""

    @flow(name="of-a-test")
    @described
    def ends() -> None:
        error.add_note("page: p.html")
        raise error

    state = ends(return_state=True)
    with get_client(sync_client=True) as client:
        stored = client.read_flow_run(state.state_details.flow_run_id).state
    assert stored.is_failed()
    assert stored.message == message
    with pytest.raises(type(error)) as caught:
        state.result()
    assert caught.value is error
    traced = [record for record in caplog.records if record.exc_info and record.exc_info[1] is error]
    assert len(traced) == isinstance(error, KeyError)
