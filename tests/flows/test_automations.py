"""The automation files: valid, and about events, tags and deployments that exist."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore

from flows import monitor
from flows.automations import _REFERENCE
from tests.flows.runs import ROOT

_FILES = sorted((ROOT / "automations").glob("*.yaml"))
_DECLARED = [one for path in _FILES for one in yaml.safe_load(path.read_text())["automations"]]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [
            one for own in (value.values() if isinstance(value, dict) else value) for one in _references(own)
        ]
    return [value] if isinstance(value, str) and _REFERENCE.match(value) else []


def _resolved(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_resolved(own) for own in value]
    return "00000000-0000-0000-0000-000000000000" if _references(value) else value


@pytest.mark.parametrize("declared", _DECLARED, ids=lambda one: str(one["name"]))
def test_an_automation_is_valid_and_refers_to_what_there_is(declared: dict[str, Any]) -> None:
    automation = AutomationCore.model_validate(_resolved(declared))
    assert automation.name.startswith("mtmd-")
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    names = {
        f"{Path(one['entrypoint'].split(':')[0]).stem.replace('_', '-')}/{one['name']}" for one in deployments
    }
    for reference in _references(declared):
        found = _REFERENCE.match(reference)
        assert found is not None
        assert found[1] == "block" or found[2] in names


def test_the_breach_that_is_waited_for_is_the_one_that_is_emitted() -> None:
    waiting = [one["name"] for one in _DECLARED if monitor.BREACH in one["trigger"]["expect"]]
    assert waiting == ["mtmd-tell-breach", "mtmd-retrain-on-breach"]


def test_retraining_on_a_breach_is_off_and_zombies_are_looked_for() -> None:
    on = {one["name"]: one.get("enabled", True) for one in _DECLARED}
    assert on["mtmd-retrain-on-breach"] is False
    assert on["mtmd-crash-zombies"] is True
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    assert deployments["definitions"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
