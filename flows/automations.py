"""Bring a server's automations up to the files of a folder: made when new, updated when they differ.

An update makes the server forget which events it waits for, and a run that died just before would stay Running for
ever: so what is as declared is left alone. Whether one is enabled is the file's choice once, and then people's.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from httpx import HTTPStatusError, TransportError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from mtmd.command_line import app, console, literal
from mtmd.errors import ConfigError

_OWN = Path("automations")  # of a project
_REFERENCE = re.compile(r"^<(deployment|block) ([^>]+)>$")
command = app()


@command.command()
def automations(
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="of .yaml files",
            show_default="the current folder's automations, or else those that `mtmd init` writes",
        ),
    ] = None,
) -> None:
    """Bring the automations of the server at PREFECT_API_URL up to the files."""
    if not (api := PREFECT_API_URL.value()):
        raise ConfigError(
            "PREFECT_API_URL must be the address of the server's API; set it, such as in `prefect config`"
        )
    for words in apply(folder or (_OWN if _OWN.is_dir() else packaged()), api):
        console.print(literal(words))


def packaged() -> Path:
    """The folder of the files that a new project gets."""
    return Path(str(files("mtmd.project") / "templates" / "automations"))


def apply(directory: Path, api: str) -> Iterator[str]:
    """Apply every automation of the directory's files; yields what became of each.

    `<deployment flow/name>` and `<block type/name>` stand for ids, `<block type|type/name>` for that of the first which
    is there. An automation is left out where none is. Raises ConfigError for a directory without files, a file that has
    no valid automations, and a server that does not answer, or refuses.
    """
    paths = sorted(directory.glob("*.yaml"))
    if not paths:
        raise ConfigError(f"{directory} has no .yaml file; name a folder with automations")
    try:
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            for path in paths:
                yield from _apply_file(client, path)
    except (HTTPStatusError, TransportError) as error:
        raise ConfigError(
            f"the Prefect server at PREFECT_API_URL ({api}) does not answer, or refuses ({error})",
            "start it, or correct the variable, which ends in /api; a server with users needs PREFECT_API_KEY or "
            "PREFECT_API_AUTH_STRING",
        ) from error


def _apply_file(client: SyncPrefectClient, path: Path) -> Iterator[str]:
    try:
        for declared in yaml.safe_load(path.read_text(encoding="utf-8"))["automations"]:
            yield f"automation {declared['name']}: {_apply_one(client, declared)}"
    except (yaml.YAMLError, ValueError, TypeError, KeyError) as error:  # pydantic's errors are ValueErrors
        raise ConfigError(
            f"{path} must be YAML with a list `automations` of valid ones, each with a name "
            f"({' '.join(str(error).split())}); correct it"
        ) from error


def _apply_one(client: SyncPrefectClient, declared: dict[str, Any]) -> str:
    try:
        automation = AutomationCore.model_validate(_resolve(client, declared))
    except ObjectNotFound as missing:
        return f"left out, {missing}"
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
    kinds, _, name = found[2].partition("/")
    for kind in kinds.split("|"):
        with suppress(ObjectNotFound):
            if found[1] == "deployment":
                return str(client.read_deployment_by_name(f"{kind}/{name}").id)
            return str(client.read_block_document_by_name(name, kind).id)
    names = " or ".join(f"{kind}/{name}" for kind in kinds.split("|"))
    words = f"there is no {found[1]} {names}: make it, then run this command again"
    raise ObjectNotFound(LookupError(names), help_message=words)
