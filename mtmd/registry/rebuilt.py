"""A history that was lost or damaged, rebuilt from what is known: lines that can be read, the pointer, manifests."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from mtmd.errors import BundleError, RegistryError
from mtmd.registry.history import line_of, read_history, readable, standing
from mtmd.registry.records import Champion, ChampionChange, ModelManifest
from mtmd.store.files import write_bytes, write_text

REBUILT = (
    "rebuilt: the line of history was lost, and is known from champion.json and the model's manifest alone"
)
_log = logging.getLogger(__name__)


def whole_history(
    path: Path, champion: Champion, manifest: Callable[[str], ModelManifest]
) -> tuple[ChampionChange, ...]:
    """All changes up to the champion's own; a file that has them not is written anew, with a warning.

    Lines that can be read stay. A promotion that the pointer knows of and no line has, of the champion or of the model
    that a rollback goes to, gets a line whose reason is `REBUILT`. The file as it was stays beside it.
    """
    try:
        history = read_history(path)
        why = "lines are missing"
        if history[-1:] == (champion.change,) and not _missing(history[:-1], champion):
            return history
    except RegistryError as error:
        why = str(error)
    kept = _kept(path, champion)
    lost = _lost(kept, champion, manifest)
    history = (*sorted((*lost, *kept), key=lambda change: change.sequence), champion.change)
    if path.is_file():
        write_bytes(path.with_name(f"{path.name}.damaged-{champion.sequence}"), path.read_bytes())
    _log.warning(
        "%s is rebuilt with %d lines, %d of them from champion.json and manifests: %s",
        path,
        len(history),
        len(lost),
        why,
    )
    write_text(path, "".join(f"{line_of(change)}\n" for change in history))
    return history


def _kept(path: Path, champion: Champion) -> list[ChampionChange]:
    """The lines before the champion's that can be read, in their order."""
    kept: list[ChampionChange] = []
    for change in readable(path):
        if (kept[-1].sequence if kept else 0) < change.sequence < champion.sequence:
            kept.append(change)
    return kept


def _missing(kept: Sequence[ChampionChange], champion: Champion) -> list[str]:
    """Models whose promotions the pointer implies, and that no line has: below the champion first."""
    known = [name for name, _ in standing(kept, champion.rolled_back)]
    needed = (champion.previous, None if champion.change.action == "promote" else champion.model_id)
    return [name for name in needed if name is not None and name not in known]


def _lost(
    kept: Sequence[ChampionChange], champion: Champion, manifest: Callable[[str], ModelManifest]
) -> list[ChampionChange]:
    """The lines that are missing, with numbers that no line has, below the champion's own promotion."""
    missing = _missing(kept, champion)
    promotions = [change for change in kept if change.action == "promote"]
    own = [change.sequence for change in promotions if change.model_id == champion.model_id]
    top = champion.sequence if champion.model_id in missing else max(own, default=champion.sequence)
    taken = {change.sequence for change in kept}
    free = [1, 1, *(number for number in range(1, top) if number not in taken)]  # there may be none
    lines: list[ChampionChange] = []
    for number, name in zip(free[len(free) - len(missing) :], missing, strict=True):
        try:
            model = manifest(name)
        except (BundleError, RegistryError) as error:
            _log.warning("no line of history is written for %s: %s", name, error)
            continue
        lines.append(
            ChampionChange(
                sequence=number,
                action="promote",
                model_id=model.model_id,
                as_of=model.as_of,
                previous=lines[-1].model_id if lines else None,
                reason=REBUILT,
                at=champion.change.at,
                bundle_id=model.bundle_id,
            )
        )
    return lines
