"""The automation files: valid, and about events, tags and deployments that exist; and how they are applied."""

import re
import shutil
from pathlib import Path
from typing import get_args

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore
from prefect.server.utilities.user_templates import render_user_template_sync
from prefect.settings import PREFECT_API_URL, temporary_settings

from mtmd.errors import ConfigError
from mtmd.flows.automations import apply, automations, packaged
from mtmd.flows.prefect_artifacts import Event
from mtmd.flows.upkeep import BREACH, UNPUBLISHED
from tests.flows.runs import ROOT

_FILES = sorted(packaged().glob("*.yaml"))
_DECLARED = [one for path in _FILES for one in yaml.safe_load(path.read_text())["automations"]]


@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.stem))
def test_automations_are_valid_and_refer_to_deployments_that_there_are(path: Path) -> None:
    reference, text = r"<(deployment|block) ([^>]+)>", path.read_text()
    resolved = re.sub(reference, "00000000-0000-0000-0000-000000000000", text)
    found = [AutomationCore.model_validate(one) for one in yaml.safe_load(resolved)["automations"]]
    assert all(one.name.startswith("mtmd-") for one in found)
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    named = {name for kind, name in re.findall(reference, text) if kind == "deployment"}
    assert named <= {f"{one['name']}/{one['name']}" for one in deployments}


def test_a_message_of_a_line_without_a_champion_says_none() -> None:
    """As Prefect renders it, which takes an event's values for what they are."""
    bodies = [action["body"] for one in _DECLARED for action in one["actions"] if "'champion'" in str(action)]
    event = {
        "resource": {"prefect.resource.name": "demo"},
        "payload": {"day": "2026-01-25", "champion": None, "words": "kept"},
    }
    said = {render_user_template_sync(body, {"event": event}) for body in bodies}
    assert said == {"demo 2026-01-25, champion none: kept"}


def test_every_event_that_flows_emit_is_waited_for() -> None:
    emitted = set(get_args(Event))
    awaited = {event for one in _DECLARED for event in one["trigger"]["expect"] if event.startswith("mtmd.")}
    assert awaited == emitted


def test_a_run_that_ends_in_a_state_of_its_own_is_no_zombie() -> None:
    (zombies,) = [one["trigger"] for one in _DECLARED if one["name"] == "mtmd-crash-zombies"]
    ends = {BREACH, UNPUBLISHED}
    assert {f"prefect.flow-run.{name}" for name in ends} <= set(zombies["expect"])


def test_retraining_on_a_breach_is_off_and_zombies_are_looked_for() -> None:
    on = {one["name"]: one.get("enabled", True) for one in _DECLARED}
    assert on["mtmd-retrain-on-breach"] is False
    assert on["mtmd-crash-zombies"] is True
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    assert deployments["definitions"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"automations has no \.yaml file; name a folder with automations"),
        *(
            (
                text,
                r"own\.yaml must be YAML with a list `automations` of valid ones, each with a name \(.*correct it",
            )
            for text in (
                b"automations: [\xe9]",
                b"automations: [",
                b"",
                b"automations: 3",
                b"automations: [{enabled: true}]",
                b"automations: [{name: mine, trigger: 3}]",
            )
        ),
    ],
)
def test_a_folder_that_has_no_automations_is_refused(tmp_path: Path, text: bytes | None, said: str) -> None:
    (tmp_path / "automations").mkdir()
    if text is not None:
        (tmp_path / "automations" / "own.yaml").write_bytes(text)
    with pytest.raises(ConfigError, match=f"(?s){said}"):
        list(apply(tmp_path / "automations", "http://127.0.0.1:9/api"))


def test_a_server_that_does_not_answer_or_is_not_named_is_said() -> None:
    with pytest.raises(
        ConfigError, match=r"server at PREFECT_API_URL \(http://127\.0\.0\.1:9/api\) does not answer"
    ):
        list(apply(packaged(), "http://127.0.0.1:9/api"))
    with (
        temporary_settings({PREFECT_API_URL: None}),
        pytest.raises(ConfigError, match="PREFECT_API_URL must be the address of the server's API"),
    ):
        automations()


def test_files_are_applied_once_and_again_where_they_differ(prefect_server: str, tmp_path: Path) -> None:
    """What lacks its deployment or block is left out; whether one is enabled is people's choice."""
    file = tmp_path / "crash-zombies.yaml"
    shutil.copy(packaged() / file.name, file)
    shutil.copy(packaged() / "monitor-breach.yaml", tmp_path)
    left_out = (
        "automation mtmd-retrain-on-breach: left out, there is no deployment daily-retrain/daily-retrain"
    )
    said = list(apply(tmp_path, prefect_server))
    assert said[0] == "automation mtmd-crash-zombies: created"
    assert said[1].startswith(left_out)
    assert next(apply(tmp_path, prefect_server)) == "automation mtmd-crash-zombies: unchanged"
    file.write_text(file.read_text().replace("so that their slot is free", "and free their slot"))
    assert next(apply(tmp_path, prefect_server)) == "automation mtmd-crash-zombies: updated"
