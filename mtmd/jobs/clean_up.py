"""What is removed of a line's outputs, by [retention].

Shards, runs, validations and models age by their day, against the newest run's; what is named by content alone ages
by when it was written (rivals: or last compared). The champion, and every model that a rollback can go back to, stay
whatever their age; so do the ads and the trained weights of the champion and of the model that a rollback goes to.
"""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from pydantic import Field

from mtmd.config import Frozen, RetentionConfig
from mtmd.errors import BundleError, RegistryError
from mtmd.registry.records import run_paths
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.store.stores import store_of
from mtmd.store.workspace import Workspace

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})")
_DAY_S = 24 * 3600
_SUPERSEDED_DAYS = 1  # readers may have those open that another publication took the place of
# Outputs with a day in their names: kind, where they are, and the key of [retention] that says how long they stay.
_BY_DAY = (
    ("shards", "shards/date=*", "shards"),
    ("digests", "shards/digests/date=*.json", "shards"),
    ("spool", "spool/*/*", "shards"),
    ("profiles", "monitoring/profiles/date=*", "shards"),
    ("digests", "monitoring/profiles/digests/date=*.json", "shards"),
    ("monitoring", "monitoring/date=*.json", "runs"),
    ("validation", "validation/date=*", "runs"),
    ("validation", "validation/as_of=*.json", "runs"),
    ("failures", "failures/as_of=*", "runs"),
    ("runs", "runs/*", "runs"),
    ("backtests", "backtests/*", "runs"),
)
_BY_CLOCK = ("trained", "evaluations", "work")


class Removed(Frozen):
    """One output that is removed."""

    kind: str
    path: str
    bytes: int
    why: str


class CleanUp(Frozen):
    """What a clean-up removed, or would remove where it is a dry run."""

    newest: date | None = Field(
        description="newest day that a run or a model is of; None where nothing ran yet"
    )
    dry_run: bool
    removed: tuple[Removed, ...]
    standing: tuple[str, ...] = Field(description="models that stay whatever their age, the champion last")

    @property
    def words(self) -> str:
        """How much it is."""
        size = sum(output.bytes for output in self.removed) / 1e6
        verb = "would be removed (dry run)" if self.dry_run else "were removed"
        return f"{len(self.removed)} outputs, {size:,.1f} MB, {verb}"


def clean_up(workspace: Workspace, retention: RetentionConfig, *, dry_run: bool) -> CleanUp:
    """Remove what is too old below the line's directory, or only say what that is."""
    registry = Registry(workspace.root)
    registry.refresh()
    newest, removed = _newest(workspace, registry), []
    for kind, path, why in () if newest is None else _too_old(workspace, registry, retention, newest):
        store = store_of(path)
        output = Removed(kind=kind, path=str(path), bytes=store.size(path), why=why)
        if not dry_run and kind == "models":
            if not registry.discard(path.name):  # it was made live meanwhile
                continue
        elif not dry_run:
            store.discard(path)
        removed.append(output)
    standing = registry.standing()
    return CleanUp(newest=newest, dry_run=dry_run, removed=tuple(removed), standing=standing)


def _too_old(
    workspace: Workspace, registry: Registry, retention: RetentionConfig, newest: date
) -> Iterator[tuple[str, Path, str]]:
    """Kind, path and reason of each output that may go at this moment."""
    root = workspace.root
    for kind, pattern, key in _BY_DAY:
        for path in sorted(root.glob(pattern)):
            if why := _days_before(newest, _day_of(path.name), getattr(retention, key)):
                yield kind, path, why
    yield from _old_models(registry, retention, newest)
    yield from _old_ads(registry, Catalogue(root), retention, newest)
    needed = set(_trainings(registry))
    for kind in _BY_CLOCK:
        for path in sorted(root.glob(f"{kind}/[!.]*")):
            if path.name not in needed and _is_older(path, retention.caches):
                yield kind, path, f"not written or used for over {retention.caches} days"


def _old_models(
    registry: Registry, retention: RetentionConfig, newest: date
) -> Iterator[tuple[str, Path, str]]:
    """Models that no rollback goes back to. One that cannot be read stays: a person may want to restore it."""
    for model in sorted(path.parent for path in registry.models.glob("[!.]*/manifest.json")):
        with suppress(BundleError, RegistryError):  # or a directory that has no model's name
            why = _days_before(newest, registry.manifest(model.name).as_of, retention.models)
            if why and model.name not in registry.standing():
                yield "models", model, why


def _old_ads(
    registry: Registry, catalogue: Catalogue, retention: RetentionConfig, newest: date
) -> Iterator[tuple[str, Path, str]]:
    """Ads of models that no rollback goes to, all of a model's together; and those that others took the place of.

    What is given is removed under this machine's lock of whoever publishes: an operator may let older ads serve again.
    """
    if not catalogue.root.is_dir():
        return
    with catalogue.publishing():
        named = ((path, _day_of(path.name)) for path in sorted(catalogue.root.glob("*/*-*-*-*")))
        publications = [(path.parent.name, path, day) for path, day in named if day]
        days: dict[str, date] = {}
        for model_id, _, day in publications:
            days[model_id] = max(day, days.get(model_id, day))
        old = {model_id: _days_before(newest, day, retention.ads) for model_id, day in days.items()}
        for model_id, why in old.items():
            if why and model_id not in registry.one_rollback():
                yield "ads", catalogue.root / model_id, why
                continue
            for path in (path for of, path, _ in publications if of == model_id):
                if catalogue.superseded(model_id, path) and _is_older(path, _SUPERSEDED_DAYS):
                    yield "ads", path, f"out of service for over {_SUPERSEDED_DAYS} day"


def _trainings(registry: Registry) -> Iterator[str]:
    """Names of the trained weights that a next day may go on from."""
    for model_id in registry.one_rollback():
        with suppress(BundleError, RegistryError):  # it can't be read, or is gone: no day goes on from it
            model = registry.manifest(model_id)
            if model.training is not None:
                yield Workspace(registry.root).trained(model.kind, model.training).name


def _days_before(newest: date, day: date | None, kept_days: int) -> str | None:
    """Why a day is too old; None where it is not, or not known."""
    if day is None or newest - day <= timedelta(days=kept_days):
        return None
    return f"{(newest - day).days} days before {newest}"


def _is_older(path: Path, days: int) -> bool:
    """By this machine's clock. What a run removed meanwhile is not."""
    with suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime > days * _DAY_S
    return False


def _newest(workspace: Workspace, registry: Registry) -> date | None:
    """Of runs that decided: a directory without a summary is no run, whatever its name says."""
    days = [_day_of(path.name) for path in run_paths(workspace)]
    champion = registry.champion()
    return max((day for day in (*days, champion.as_of if champion else None) if day), default=None)


def _day_of(name: str) -> date | None:
    match = _DAY.search(name)
    try:
        return date.fromisoformat(match.group(1)) if match else None
    except ValueError:  # no day of the calendar: not ours
        return None
