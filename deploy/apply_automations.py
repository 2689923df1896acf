"""Bring the server's automations up to the files in deploy/automations/: made when new, updated when they differ.

An update makes the server forget which events it waits for, and a run that died just before would stay Running for
ever: so what is as declared is left alone. Whether one is enabled is the file's choice once, and then people's.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

_REFERENCE = re.compile(r"^<(deployment|block) ([^>]+)>$")


def apply(directory: Path, api: str) -> Iterator[str]:
    """Apply every automation of the directory's files; yields what became of each.

    `<deployment flow/name>` and `<block type/name>` stand for ids. An automation whose block is not there is left out.
    """
    with (
        temporary_settings({PREFECT_API_URL: api}),
        get_client(sync_client=True) as client,
    ):
        for path in sorted(directory.glob("*.yaml")):
            for declared in yaml.safe_load(path.read_text())["automations"]:
                yield f"automation {declared['name']}: {_apply_one(client, declared)}"


def _apply_one(client: SyncPrefectClient, declared: dict[str, Any]) -> str:
    try:
        resolved = _resolve(client, declared)
    except ObjectNotFound as missing:
        return f"left out, {missing}"
    automation = AutomationCore.model_validate(resolved)
    found = [one for one in client.read_automations_by_name(automation.name) if one.name == automation.name]
    if not found:
        client.create_automation(automation)
        return "created"
    there = AutomationCore.model_validate(found[0].model_dump(include=set(AutomationCore.model_fields)))
    wanted = automation.model_copy(update={"enabled": there.enabled})
    if there == wanted:
        return "unchanged"
    client.update_automation(found[0].id, wanted)
    return "updated"


def _resolve(client: SyncPrefectClient, value: Any) -> Any:
    """The same value with references replaced by ids."""
    if isinstance(value, dict):
        return {key: _resolve(client, own) for key, own in value.items()}
    if isinstance(value, list):
        return [_resolve(client, own) for own in value]
    found = _REFERENCE.match(value) if isinstance(value, str) else None
    if found is None:
        return value
    if found[1] == "deployment":
        return str(client.read_deployment_by_name(found[2]).id)
    kind, _, name = found[2].partition("/")
    try:
        return str(client.read_block_document_by_name(name, kind).id)
    except ObjectNotFound as error:
        raise ObjectNotFound(
            error, help_message=f"there is no block {found[2]} (docs/operations.md)"
        ) from error
