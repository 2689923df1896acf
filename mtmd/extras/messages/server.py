"""Give a server the automations of a folder's files, and the block that their messages go to.

An automation that it has by that name is left as people made it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from json import JSONDecodeError
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import yaml
from httpx import HTTPStatusError, InvalidURL, TransportError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import BlockDocumentCreate, BlockDocumentUpdate
from prefect.client.schemas.objects import BlockDocument
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from mtmd.errors import ConfigError

_BLOCK, _WEBHOOK, _SLACK = "mtmd-alerts", "custom-webhook", "slack-webhook"
_KINDS = (_WEBHOOK, _SLACK)  # where messages go: the first that is there
_TEXT = {"text": "{{subject}}\n{{body}}"}  # what Slack and those that do as it does read
_ADDRESS = "address"  # a secret of the block: who knows it can write to the channel
_NO_ID, _NO_DEPLOYMENT = str(UUID(int=0)), str(UUID(int=1))
_ROLLBACK = "rollback/rollback"  # the deployment that stands as <rollback> in a file


def named_api() -> str:
    """The address that PREFECT_API_URL has; raises ConfigError where it is not set."""
    api: str | None = PREFECT_API_URL.value()
    if not api:
        raise ConfigError(
            "PREFECT_API_URL must be the address of the server's API; set it, such as in `prefect config`"
        )
    return api


def usual(project: Path = Path()) -> Path:
    """A project's own folder of automations; else that of the files that a new project gets."""
    own = project / "automations"
    return own if own.is_dir() else packaged()


def packaged() -> Path:
    """The folder of the files that a new project gets."""
    return Path(str(files("mtmd.project") / "templates" / "automations"))


def apply(directory: Path, api: str) -> Iterator[str]:
    """Make the automations of the directory's files that the server lacks; yields what became of each.

    `<mtmd-alerts>` stands for the id of the block of that name, `<rollback>` for that of the deployment. Raises
    ConfigError for a directory without files, files that have no valid automations, and a server that does not answer,
    or refuses.
    """
    declared = _declared(directory)
    with _client(api) as client:
        block = next((str(found.id) for kind in _KINDS if (found := _found(client, kind))), None)
        for one in declared:
            yield f"automation {one.name}: {_make(client, one, block)}"


def send_to(url: str, api: str) -> Iterator[str]:
    """Make the block that messages go to, or give it this address; yields what became of it.

    Raises ConfigError for an address that is none, for a block of another kind, which people made, and like `apply`.
    """
    url, host = url.strip(), None
    with suppress(ValueError):
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in {"http", "https"} else None
    if not host or {" ", "{"} & {*url}:
        raise ConfigError(
            f"the webhook's address ({url}) must be a URL, such as https://chat.example.com/hooks/…"
        )
    wanted = {"name": _BLOCK, "url": f"{{{{{_ADDRESS}}}}}", "json_data": _TEXT, "secrets": {_ADDRESS: url}}
    with _client(api) as client:
        if _found(client, _SLACK):
            raise ConfigError(
                f"the server has a block {_SLACK}/{_BLOCK}, which messages go to; change its address in the UI"
            )
        there, kind = _found(client, _WEBHOOK), client.read_block_type_by_slug(_WEBHOOK)
        if there is None:
            schema = client.get_most_recent_block_schema_for_block_type(kind.id)
            assert schema is not None  # a server registers its own at its start
            client.create_block_document(
                BlockDocumentCreate(
                    name=_BLOCK, data=wanted, block_schema_id=schema.id, block_type_id=kind.id
                )
            )
        elif there.data.get("secrets") != wanted["secrets"]:
            client.update_block_document(there.id, BlockDocumentUpdate(data=wanted))
        else:
            yield f"block {_WEBHOOK}/{_BLOCK}: is there, and stays as it is"
            return
    yield f"block {_WEBHOOK}/{_BLOCK}: messages go to {host}"


@contextmanager
def _client(api: str) -> Iterator[SyncPrefectClient]:
    try:
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            yield client
    except (HTTPStatusError, InvalidURL, TransportError, ObjectNotFound, JSONDecodeError) as error:
        raise ConfigError(
            f"the Prefect server at PREFECT_API_URL ({api}) does not answer, or refuses ({error.__cause__ or error})",
            "start it, or correct the variable, which ends in /api; a server with users needs PREFECT_API_KEY or "
            "PREFECT_API_AUTH_STRING",
        ) from error


def _declared(directory: Path) -> list[AutomationCore]:
    """Those of the files; the block that messages go to, and the deployment, have no ids yet."""
    if not (paths := sorted(directory.glob("*.yaml"))):
        raise ConfigError(f"{directory} has no .yaml file; name a folder with automations")
    found: list[AutomationCore] = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8").replace(f"<{_BLOCK}>", _NO_ID)
            text = text.replace("<rollback>", _NO_DEPLOYMENT)
            found += map(AutomationCore.model_validate, yaml.safe_load(text)["automations"])
        # pydantic's errors are ValueErrors.
        except (yaml.YAMLError, ValueError, TypeError, KeyError) as error:
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
        return "left out: nobody said where messages go; say it with `mtmd messages URL`"
    if _NO_DEPLOYMENT in text:
        try:
            rollback = client.read_deployment_by_name(_ROLLBACK)
        except ObjectNotFound:
            return f"left out: the server has no deployment {_ROLLBACK}; make it with `prefect deploy --all`"
        text = text.replace(_NO_DEPLOYMENT, str(rollback.id))
    client.create_automation(AutomationCore.model_validate_json(text.replace(_NO_ID, block or "")))
    return (
        "created"
        if automation.enabled
        else f"created, inactive: `prefect automation resume {automation.name}` switches it on"
    )


def _found(client: SyncPrefectClient, kind: str) -> BlockDocument | None:
    with suppress(ObjectNotFound):
        return client.read_block_document_by_name(_BLOCK, kind)
    return None
