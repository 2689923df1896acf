"""What the registry refuses before it changes anything."""

import re
from collections.abc import Callable, Iterable

from mtmd.errors import RegistryError
from mtmd.registry.records import MODEL_ID, MODEL_ID_LENGTH, Champion, ChampionChange, ModelManifest

History = Callable[
    [], Iterable[ChampionChange]
]  # read only where a refusal is told, so that promotions cost the same


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
        same = "is no other model" if len(champion.standing) > 1 else "is no champion"
        raise RegistryError(f"there {same} before the live one ({live}) to go back to; promote another model")
    return champion


def refusal(manifest: ModelManifest, champion: Champion, history: History) -> str | None:
    """Why a model may not displace the champion: it is older, or was rolled back, by its id or by its content.

    Nor may one that a training made of a model that was rolled back meanwhile, unless it was champion itself before.
    """
    if manifest.as_of < champion.as_of:
        return (
            f"its as_of {manifest.as_of} is older than the champion's {champion.as_of}; it stays registered, "
            "and displaces nothing"
        )
    same = [model.model_id for model in champion.taken_down if model.bundle_id == manifest.bundle_id]
    if manifest.model_id not in champion.rolled_back and not same:
        return _offspring(manifest, champion, history)
    known = manifest.model_id if manifest.model_id in champion.rolled_back else same[-1]
    who = known if known == manifest.model_id else f"{manifest.model_id} is {known} under another id, which"
    return (
        f"{who} was rolled back before{_why(history(), known)}; another window or preset gives a model of other "
        f"content, which can be promoted. `mtmd reinstate {known}` lets this one come back"
    )


def _offspring(manifest: ModelManifest, champion: Champion, history: History) -> str | None:
    """A training may go on from the champion, and a person take that one down before the training ends."""
    if manifest.started_from is None or (start := manifest.started_from.model_id) not in champion.rolled_back:
        return None
    changes = tuple(history())
    if any(change.action == "promote" and change.model_id == manifest.model_id for change in changes):
        return None  # it was reinstated since
    return (
        f"its training went on from {start}, which was rolled back since then{_why(changes, start)}. Run the day "
        f"again: it goes on from another model. `mtmd reinstate {start}` lets this one be promoted, too"
    )


def _why(history: Iterable[ChampionChange], model_id: str) -> str:
    """When the latest rollback took a model down, and its reason."""
    taken = [change for change in history if change.action == "rollback" and change.previous == model_id]
    return f" ({taken[-1].at:%Y-%m-%d %H:%M} UTC: {taken[-1].reason})" if taken else ""
