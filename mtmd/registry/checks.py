"""What the registry refuses before it writes."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mtmd.errors import BundleError, RegistryError
from mtmd.registry.bundle import load_bundle
from mtmd.registry.history import taken_down
from mtmd.registry.records import MODEL_ID, MODEL_ID_LENGTH, Champion, ChampionChange, ModelManifest
from mtmd.store.outputs import differing_file

_REQUIRED = ("bundle.json", "metrics.json")


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
    if champion.previous is None:
        raise RegistryError(f"there is no champion before the live one ({live}); promote another model")
    return champion


def refusal(
    manifest: ModelManifest,
    champion: Champion,
    banned: Mapping[str, str | None],
    history: Callable[[], Sequence[ChampionChange]],
) -> str | None:
    """Why a model may not displace the champion: it is older, or was rolled back, by its id or by its content.

    Nor may one that a training made of a model that was rolled back meanwhile, unless it was champion itself before.
    `banned` has the content of every model that was rolled back; None where it is not known. `history` is read for a
    refusal's message, and where the training's start was rolled back: any other promotion costs the same after a
    thousand others.
    """
    if manifest.as_of < champion.as_of:
        return (
            f"its as_of {manifest.as_of} is older than the champion's {champion.as_of}; it stays registered, "
            "and displaces nothing"
        )
    same = [model_id for model_id, content in banned.items() if content == manifest.bundle_id]
    if manifest.model_id not in banned and not same:
        return _offspring(manifest, banned, history)
    known = manifest.model_id if manifest.model_id in banned else same[-1]
    rollback = taken_down(history(), known)
    why = f" ({rollback.at:%Y-%m-%d %H:%M} UTC: {rollback.reason})" if rollback else ""
    who = known if known == manifest.model_id else f"{manifest.model_id} is {known} under another id, which"
    return (
        f"{who} was rolled back before{why}; another window or preset gives a model of other content, which "
        f"can be promoted. `mtmd reinstate {known}` lets this one come back"
    )


def _offspring(
    manifest: ModelManifest,
    banned: Mapping[str, str | None],
    history: Callable[[], Sequence[ChampionChange]],
) -> str | None:
    """A training may go on from the champion, and a person take that one down before the training ends."""
    if manifest.started_from is None or (start := manifest.started_from.model_id) not in banned:
        return None
    changes = history()
    if any(change.action == "promote" and change.model_id == manifest.model_id for change in changes):
        return None  # it was reinstated since
    rollback = taken_down(changes, start)
    why = f" ({rollback.at:%Y-%m-%d %H:%M} UTC: {rollback.reason})" if rollback else ""
    return (
        f"its training went on from {start}, which was rolled back since then{why}. Run the day again: it goes on from "
        f"another model. `mtmd reinstate {start}` lets this one be promoted, too"
    )
