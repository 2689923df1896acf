"""The automation files: valid, and about events, tags and deployments that exist; and how they are applied."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.server.utilities.user_templates import render_user_template_sync
from prefect.settings import PREFECT_API_URL, temporary_settings

from mtmd.cli import main
from mtmd.errors import ConfigError
from mtmd.extras.messages.server import apply, named_api, packaged, send_to, usual
from mtmd.flows.prefect_artifacts import Event
from mtmd.flows.upkeep import BREACH, UNPUBLISHED
from tests.flows.runs import ROOT

_DECLARED = [
    one
    for path in sorted(packaged().glob("*.yaml"))
    for one in yaml.safe_load(path.read_text())["automations"]
]


def test_a_message_of_a_line_without_a_champion_says_none() -> None:
    """As Prefect renders it, which takes an event's values for what they are."""
    bodies = [action["body"] for one in _DECLARED for action in one["actions"] if "'champion'" in str(action)]
    event = {
        "resource": {"prefect.resource.name": "demo"},
        "payload": {"day": "2026-01-25", "champion": None, "words": "kept"},
    }
    said = {render_user_template_sync(body, {"event": event}) for body in bodies}
    assert said == {"demo 2026-01-25, champion none: kept"}


def test_a_project_has_automations_of_its_own(tmp_path: Path) -> None:
    assert usual(tmp_path) == packaged()
    (tmp_path / "automations").mkdir()
    assert usual(tmp_path) == tmp_path / "automations"


def test_every_event_that_flows_emit_is_waited_for() -> None:
    emitted = set(get_args(Event))
    awaited = {event for one in _DECLARED for event in one["trigger"]["expect"] if event.startswith("mtmd.")}
    assert awaited == emitted


def test_a_run_that_ends_in_a_state_of_its_own_is_no_zombie() -> None:
    (zombies,) = [one["trigger"] for one in _DECLARED if one["name"] == "mtmd-crash-zombies"]
    ends = {BREACH, UNPUBLISHED}
    assert {f"prefect.flow-run.{name}" for name in ends} <= set(zombies["expect"])
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
    for api in ("http://127.0.0.1:9/api", "http://127.0.0.1:42x0/api"):
        with pytest.raises(ConfigError, match=rf"server at PREFECT_API_URL \({api}\) does not answer"):
            list(apply(packaged(), api))
    with pytest.raises(ConfigError, match="does not answer, or refuses"):
        list(send_to("https://chat.example.com/1", "http://127.0.0.1:9/api"))
    with (
        temporary_settings({PREFECT_API_URL: None}),
        pytest.raises(ConfigError, match="PREFECT_API_URL must be the address of the server's API"),
    ):
        named_api()


@pytest.mark.parametrize(
    "url", ["chat.example.com/hooks/1", "ftp://chat/1", "https://", "https://chat/{{1}}", "http://[x"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"the webhook's address \({re.escape(url)}\) must be a URL, such as"
    ):
        list(send_to(url, "http://127.0.0.1:9/api"))


def test_what_the_server_lacks_is_made_once_and_messages_need_their_block(
    prefect_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [one["name"] for one in _DECLARED]
    messages = [f"automation {name}" for name in names if name.startswith("mtmd-tell")]
    made = dict(said.split(": ", 1) for said in apply(packaged(), prefect_server))
    assert made.pop("automation mtmd-crash-zombies") == "created"
    lacks = "left out: the server has no deployment rollback/rollback; make it with `prefect deploy --all`"
    assert made.pop("automation mtmd-rollback-on-breach") == lacks
    assert list(made) == messages
    assert set(made.values()) == {"left out: nobody said where messages go; say it with `mtmd messages URL`"}

    with pytest.raises(ConfigError, match="does not answer, or refuses"):
        list(send_to("https://chat.example.com/1", prefect_server.removesuffix("/api")))

    def said(url: str) -> dict[str, str]:
        assert main(["messages", url]) == 0
        return dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())

    block = "block custom-webhook/mtmd-alerts"
    first = said("https://chat.example.com/hooks/1")
    assert first.pop(block) == "messages go to chat.example.com"
    assert first.pop("automation mtmd-crash-zombies") == "is there, and stays as it is"
    assert first.pop("automation mtmd-rollback-on-breach") == lacks
    assert first == dict.fromkeys(messages, "created")
    assert set(said("https://chat.example.com/hooks/1").values()) == {"is there, and stays as it is", lacks}
    assert said("https://chat.example.org/hooks/2\n")[block] == "messages go to chat.example.org"
    with get_client(sync_client=True) as client:
        stored = client.read_block_document_by_name("mtmd-alerts", "custom-webhook")
        shown = client.read_block_document_by_name("mtmd-alerts", "custom-webhook", include_secrets=False)
        kind = client.read_block_type_by_slug("slack-webhook")
        schema = client.get_most_recent_block_schema_for_block_type(kind.id)
        assert schema is not None
        own = {"name": "mtmd-alerts", "block_type_id": kind.id, "block_schema_id": schema.id}
        client.create_block_document(BlockDocumentCreate(data={"url": "https://hooks.slack.com/1"}, **own))
    assert stored.data["secrets"] == {"address": "https://chat.example.org/hooks/2"}
    assert "chat.example" not in str(shown.data)
    assert main(["messages", "https://chat.example.com/hooks/1"]) == 1
    assert "the server has a block slack-webhook/mtmd-alerts, which messages go to" in capsys.readouterr().err
