"""Give a server the automations of a folder's files. One that it has by that name is left as people made it."""

from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
import yaml
from httpx import HTTPStatusError, TransportError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from mtmd.command_line import app, console, literal
from mtmd.errors import ConfigError

_BLOCK, _KINDS = (
    "mtmd-alerts",
    ("custom-webhook", "slack-webhook"),
)  # where messages go: the first that is there
_NO_ID = str(UUID(int=0))
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
    """Give the server at PREFECT_API_URL the automations of the files that it lacks."""
    if not (api := PREFECT_API_URL.value()):
        raise ConfigError(
            "PREFECT_API_URL must be the address of the server's API; set it, such as in `prefect config`"
        )
    for words in apply(folder or usual(), api):
        console.print(literal(words))


def usual(project: Path = Path()) -> Path:
    """A project's own folder of automations; else that of the files that a new project gets."""
    own = project / "automations"
    return own if own.is_dir() else packaged()


def packaged() -> Path:
    """The folder of the files that a new project gets."""
    return Path(str(files("mtmd.project") / "templates" / "automations"))


def apply(directory: Path, api: str) -> Iterator[str]:
    """Make the automations of the directory's files that the server lacks; yields what became of each.

    `<mtmd-alerts>` stands for the id of the block of that name. Raises ConfigError for a directory without files, files
    that have no valid automations, and a server that does not answer, or refuses.
    """
    declared = _declared(directory)
    try:
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            block = _block(client)
            for one in declared:
                yield f"automation {one.name}: {_make(client, one, block)}"
    except (HTTPStatusError, TransportError) as error:
        raise ConfigError(
            f"the Prefect server at PREFECT_API_URL ({api}) does not answer, or refuses ({error})",
            "start it, or correct the variable, which ends in /api; a server with users needs PREFECT_API_KEY or "
            "PREFECT_API_AUTH_STRING",
        ) from error


def _declared(directory: Path) -> list[AutomationCore]:
    """Those of the files; the block that messages go to has no id yet."""
    if not (paths := sorted(directory.glob("*.yaml"))):
        raise ConfigError(f"{directory} has no .yaml file; name a folder with automations")
    found: list[AutomationCore] = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8").replace(f"<{_BLOCK}>", _NO_ID)
            found += map(AutomationCore.model_validate, yaml.safe_load(text)["automations"])
        except (
            yaml.YAMLError,
            ValueError,
            TypeError,
            KeyError,
        ) as error:  # pydantic's errors are ValueErrors
            raise ConfigError(
                f"{path} must be YAML with a list `automations` of valid ones, each with a name "
                f"({' '.join(str(error).split())}); correct it"
            ) from error
    return found


def _make(client: SyncPrefectClient, automation: AutomationCore, block: str | None) -> str:
    if client.read_automations_by_name(automation.name):
        return "is there, and stays as it is"
    text = automation.model_dump_json()
    if _NO_ID in text and block is None:
        return f"left out: make the block {' or '.join(_KINDS)}/{_BLOCK}, then run this command again"
    client.create_automation(AutomationCore.model_validate_json(text.replace(_NO_ID, block or "")))
    return "created"


def _block(client: SyncPrefectClient) -> str | None:
    """The id of the block that messages go to; None where there is none."""
    for kind in _KINDS:
        with suppress(ObjectNotFound):
            return str(client.read_block_document_by_name(_BLOCK, kind).id)
    return None
