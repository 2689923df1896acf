"""What the registry refuses: a wrong name, a change that was decided about another champion, a damaged model."""

import re
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.bundle import load_bundle
from mtmd.registry.records import MODEL_ID, MODEL_ID_LENGTH, Champion, ModelManifest
from mtmd.store.files import read_json
from mtmd.store.outputs import differing_file

MANIFEST = "manifest.json"
_REQUIRED = ("bundle.json", "metrics.json")
_REMEDY = "Restore it from a copy, or remove the model's directory and run its day again"


def require_id(model_id: str) -> str:
    """The id; raises RegistryError for one that can't be a model's, such as a path that leads elsewhere."""
    if len(model_id) > MODEL_ID_LENGTH or not re.fullmatch(MODEL_ID, model_id):
        raise RegistryError(
            f"model id {model_id[:100]!r} must be at most {MODEL_ID_LENGTH} letters, digits, dots, hyphens and "
            "underscores, the first a letter or digit; `mtmd status` shows the ids of models"
        )
    return model_id


def require_reason(what: str, reason: str) -> None:
    """Raise RegistryError for a blank reason."""
    if not reason.strip():
        raise RegistryError(f"{what} needs a reason; it is written into the history")


def check_sequence(champion: Champion | None, expected: int, model_id: str) -> None:
    """Raise RegistryError when the champion is not the one that a decision was based on."""
    sequence = champion.sequence if champion else 0
    if sequence != expected:
        live = champion.model_id if champion else "no model"
        raise RegistryError(
            f"the champion's sequence is {sequence}, not {expected} as when {model_id!r} was compared with it: "
            f"{live} is live now. Run again, so that it is compared with that one"
        )


def require_rollback(champion: Champion | None, only: str | None) -> Champion:
    """The champion that a rollback takes down; raises RegistryError where there is none, or another one than `only`."""
    live = champion.model_id if champion else "none"
    if only is not None and live != only:
        raise RegistryError(f"model {only!r} is not live ({live} is), so there is nothing to roll back")
    if champion is None:
        raise RegistryError("no model is live, so there is nothing to roll back; run a day first")
    if not champion.below:
        raise RegistryError(
            f"there is no other model before the live one ({live}) to go back to; promote another"
        )
    return champion


def refusal(manifest: ModelManifest, champion: Champion, was_promoted: Callable[[str], bool]) -> str | None:
    """Why a model may not displace the champion: it is older, or was rolled back, by its id or by its content.

    Nor may one that a training made of a model that was rolled back meanwhile, unless it was champion itself before:
    `was_promoted` says whether a model was, and is asked only then.
    """
    if manifest.as_of < champion.as_of:
        return (
            f"its as_of {manifest.as_of} is older than the champion's {champion.as_of}; it stays registered, "
            "and displaces nothing"
        )
    same = [model.model_id for model in champion.taken_down if model.bundle_id == manifest.bundle_id]
    if manifest.model_id in champion.rolled_back or same:
        known = manifest.model_id if manifest.model_id in champion.rolled_back else same[-1]
        who = (
            known if known == manifest.model_id else f"{manifest.model_id} is {known} under another id, which"
        )
        return (
            f"{who} was rolled back before; another window or preset gives a model of other content, which can be "
            f"promoted. `mtmd reinstate {known}` lets this one come back"
        )
    start = manifest.started_from
    if start is not None and start.model_id in champion.rolled_back and not was_promoted(manifest.model_id):
        return (
            f"its training went on from {start.model_id}, which was rolled back since then. Run the day again: it goes "
            f"on from another model. `mtmd reinstate {start.model_id}` lets this one be promoted, too"
        )
    return None


def stored_manifest(directory: Path) -> ModelManifest:
    """The manifest of a model's directory; raises BundleError for one that can't be read, or is of another model."""
    model_id = directory.name
    try:
        manifest = ModelManifest.model_validate(read_json(directory / MANIFEST))
    except (StorageError, ValidationError) as error:
        raise BundleError(f"manifest of model {model_id!r} cannot be read: {error}") from error
    if manifest.model_id != model_id:
        raise BundleError(f"{directory} has the manifest of model {manifest.model_id!r}. {_REMEDY}")
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
    if lacking := [name for name in _REQUIRED if name not in manifest.files]:
        raise BundleError(
            f"the manifest of model {manifest.model_id!r} has no digest of {lacking}, so nothing says what "
            f"they must be. {_REMEDY}"
        )
    whose = f" of model {manifest.model_id!r}"
    if (differing := differing_file(directory, manifest.files, whose)) is not None:
        raise BundleError(f"{differing}. {_REMEDY}")
    try:
        check_built(directory, manifest)
    except RegistryError as error:
        raise BundleError(f"{error}. {_REMEDY}") from error
