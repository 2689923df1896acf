"""What the registry's files say, as far as they can be read."""

import logging
from pathlib import Path

from pydantic import ValidationError

from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.history import beyond, champion_of, read_history
from mtmd.registry.records import Champion, ModelManifest
from mtmd.store.files import read_json
from mtmd.store.outputs import file_digests

MANIFEST = "manifest.json"
_log = logging.getLogger(__name__)


def stored_manifest(directory: Path) -> ModelManifest:
    """The manifest of a model's directory; raises BundleError for one that can't be read, or is of another model."""
    model_id = directory.name
    try:
        manifest = ModelManifest.model_validate(read_json(directory / MANIFEST))
    except (StorageError, ValidationError) as error:
        raise BundleError(f"manifest of model {model_id!r} cannot be read: {error}") from error
    if manifest.model_id != model_id:
        raise BundleError(
            f"{directory} has the manifest of model {manifest.model_id!r}; a model's directory has its id: rename it "
            "back, or remove it and run the model's day again"
        )
    return manifest


def as_it_was(again: ModelManifest, directory: Path, altered: BundleError) -> ModelManifest:
    """The manifest of a model that was made again: that of the altered directory, where it can still be read.

    Raises `altered` when the files that were made now are not those that the manifest names, or, where it can't be
    read, those that are there: some version has changed.
    """
    try:
        before = stored_manifest(directory)
        files, manifest = before.files or again.files, before if before.files else again
    except BundleError:
        there = file_digests(directory)
        files, manifest = {name: there.get(name, "nothing") for name in again.files}, again
    if files != again.files:
        raise BundleError(f"{altered}. It was made again, and came out with other files")
    return manifest


def stored_champion(pointer: Path, history: Path) -> tuple[Champion | None, bool]:
    """The live model, and whether the pointer itself says so; where that is lost, damaged or old, the history does.

    Raises RegistryError for a pointer that can't be read, without a history that says what it was.
    """
    damage: Exception | None = None
    try:
        if pointer.is_file():
            return _newest(pointer, history), True
    except (StorageError, ValidationError) as error:
        damage = error
    changes = read_history(history)
    if damage is not None:
        if not changes:
            raise RegistryError(f"{pointer} cannot be read; restore it from a copy: {damage}") from damage
        _log.warning("%s is taken from the history: %s", pointer, damage)
    return (champion_of(changes) if changes else None), False


def _newest(pointer: Path, history: Path) -> Champion:
    """What the pointer says; raises StorageError for a copy of an earlier time, which may name a banned model.

    A pointer is written before its line of history, so it is never older, unless it was changed between two looks.
    """
    for _ in range(2):
        champion = Champion.model_validate(read_json(pointer))
        if (last := beyond(history, champion.change)) is None:
            return champion
    raise StorageError(f"it is of change {champion.sequence}, and {history} goes on to change {last}")
