"""Which champions a day knows: the one that its candidate is compared with, and those of earlier days."""

import logging
from collections.abc import Callable, Iterator
from datetime import date

from pydantic import Field

from mtmd.config import Frozen, load_preset
from mtmd.errors import BundleError, RegistryError
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.store.workspace import Workspace

_log = logging.getLogger(__name__)


class Incumbent(Frozen):
    """The live champion; for a candidate that an earlier run promoted, the one that it displaced then."""

    model_id: str | None = Field(None, description="None where there is none, or was none")
    sequence: int = Field(0, description="the live champion's, 0 without one")
    left_out: str | None = Field(None, description="why the candidate is not compared with it")
    promotion: str | None = Field(None, description="the history's reason, where the candidate was promoted")

    @property
    def compared(self) -> str | None:
        """The champion whose predictions stand beside the candidate's."""
        return None if self.left_out else self.model_id


def answering(artifacts: str | None, preset: str) -> Callable[[object], str] | None:
    """Which model of a line answers a user now, by the id; None without artifacts, and before the first promotion."""
    if artifacts is None:
        return None
    champion = Registry(Workspace.of(artifacts, load_preset(preset)).root).champion()
    return None if champion is None else champion.model_of


def incumbent(registry: Registry, candidate: str, as_of: date) -> Incumbent:
    """The champion to compare a candidate of this day with.

    A re-run of what was promoted meets the champion of that time, so that it finds the same comparison.
    """
    live = registry.champion()
    if live is None:
        return Incumbent()
    # Another promotion of the candidate is impossible; after a rollback the registry says it.
    settled = live.model_id == candidate or (live.as_of > as_of and candidate not in live.rolled_back)
    if settled and (change := registry.promotion(candidate)):
        before = change.previous
        words = (
            f"champion {before}, which it displaced, is not in the registry any more, so it is not compared"
        )
        return Incumbent(
            model_id=before,
            sequence=live.sequence,
            left_out=words if before is not None and not registry.has(before) else None,
            promotion=change.reason,
        )
    newer = f"champion {live.model_id} (as_of {live.as_of}) is newer, so it is not compared"
    return Incumbent(
        model_id=live.model_id, sequence=live.sequence, left_out=newer if live.as_of > as_of else None
    )


def earlier_champions(registry: Registry, as_of: date) -> Iterator[ModelManifest]:
    """Champions of earlier days that were not rolled back, the newest first.

    One whose manifest can't be read is left out, with a warning.
    """
    for model_id in reversed(registry.standing()):
        try:
            manifest = registry.manifest(model_id)
        except (BundleError, RegistryError) as error:
            _log.warning("%s is passed over: %s", model_id, error)
            continue
        if manifest.as_of < as_of:
            yield manifest
