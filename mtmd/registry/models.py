"""A stored model: its manifest, and what its directory must hold."""

from pathlib import Path

from pydantic import ValidationError

from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.bundle import load_bundle
from mtmd.registry.records import ModelManifest
from mtmd.store.files import read_json
from mtmd.store.outputs import differing_file, file_digests

MANIFEST = "manifest.json"
_REQUIRED = ("bundle.json", "metrics.json")


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


def check_built(directory: Path, manifest: ModelManifest) -> None:
    """Raise RegistryError where a model lacks a file, or holds another bundle than its manifest says."""
    missing = [name for name in _REQUIRED if not (directory / name).is_file()]
    if missing:
        raise RegistryError(f"model {manifest.model_id!r} was built without {missing}; export writes them")
    if (bundle := load_bundle(directory).bundle_id) != manifest.bundle_id:
        raise RegistryError(
            f"model {manifest.model_id!r} holds bundle {bundle}, its manifest says {manifest.bundle_id}"
        )


def check_stored(directory: Path, manifest: ModelManifest) -> None:
    """Raise BundleError where a stored model is not, file by file, what its manifest says."""
    remedy = "Restore it from a copy, or remove the model's directory and run its day again"
    if lacking := [name for name in _REQUIRED if name not in manifest.files]:
        raise BundleError(
            f"the manifest of model {manifest.model_id!r} has no digest of {lacking}, so nothing says what "
            f"they must be. {remedy}"
        )
    whose = f" of model {manifest.model_id!r}"
    if (differing := differing_file(directory, manifest.files, whose)) is not None:
        raise BundleError(f"{differing}. {remedy}")
    if (bundle := load_bundle(directory).bundle_id) != manifest.bundle_id:
        raise BundleError(
            f"model {manifest.model_id!r} holds bundle {bundle}; its manifest says {manifest.bundle_id}. {remedy}"
        )
