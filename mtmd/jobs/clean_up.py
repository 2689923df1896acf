"""What may be removed of a line's outputs, and its removal.

Shards, runs, validations and models age by their day, against the newest run's; what is named by content alone ages
by when it was written (rivals: or last compared). The champion, and every model that a rollback can go back to, stay
whatever their age; so do the ads and the trained weights of the champion and of the model that a rollback goes to.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

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
_SUPERSEDED_DAYS = 1
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
    ("failures", "failures/as_of=*.json", "runs"),
    ("runs", "runs/*", "runs"),
)
_BY_CLOCK = ("trained", "evaluations", "proofs", "graphs", "work")


class Removable(Frozen):
    """One output that may go."""

    kind: str
    path: str
    bytes: int
    why: str
    day: date | None = Field(None, description="what it aged by; None for what ages by a clock")


class _Output(NamedTuple):
    """How long an output is kept. Age counts from its day, or else from `since_s`; without either it stays."""

    kind: str
    path: Path
    days: int
    day: date | None = None
    since_s: float | None = None


class CleanUp(Frozen):
    """What a clean-up removes, and what it looked at."""

    newest: date | None = Field(
        description="newest day that a run or a model is of; None where nothing ran yet"
    )
    removable: tuple[Removable, ...]
    kept: dict[str, int] = Field(description="outputs of each kind that stay")
    standing: tuple[str, ...] = Field(description="models that stay whatever their age, the champion last")

    @property
    def bytes(self) -> int:
        return sum(output.bytes for output in self.removable)


def plan_clean_up(workspace: Workspace, retention: RetentionConfig) -> CleanUp:
    """Look at everything below the line's directory."""
    registry = Registry(workspace.root)
    registry.refresh()
    newest, standing, clock = _newest(workspace), registry.standing(), time.time()
    if newest is None:
        return CleanUp(newest=None, removable=(), kept={}, standing=standing)
    needed = _needed(registry)
    removable: list[Removable] = []
    kept: dict[str, int] = {}
    for output in _outputs(workspace, retention):
        why = _age(output, newest, clock)
        if why and not _stays(output.kind, output.path, needed):
            size = store_of(output.path).size(output.path)
            removable.append(
                Removable(kind=output.kind, path=str(output.path), bytes=size, why=why, day=output.day)
            )
        else:
            kept[output.kind] = kept.get(output.kind, 0) + 1
    return CleanUp(newest=newest, removable=tuple(removable), kept=kept, standing=standing)


def clean_up(workspace: Workspace, planned: CleanUp, on_removed: Callable[[Removable], None]) -> None:
    """Remove what was planned, but for what a rollback can reach by now, and ads that serve or are newer by now."""
    registry = Registry(workspace.root)
    needed = _needed(registry)
    for output in planned.removable:
        if not _stays(output.kind, Path(output.path), needed) and _remove(registry, output):
            on_removed(output)


def _remove(registry: Registry, output: Removable) -> bool:
    """Whether it was removed: since the plan a model may have been made live, and ads published."""
    path = Path(output.path)
    if output.kind == "models":
        return registry.discard(path.name)
    if output.kind == "ads":
        return _remove_ads(registry, path, output.day)
    store_of(path).discard(path)
    return True


def _remove_ads(registry: Registry, path: Path, newest: date | None) -> bool:
    """Remove one publication, or all of a model's, whose newest day was `newest`; returns whether it was removed.

    Under this machine's lock of whoever publishes. An operator may have gone back to a publication that another had
    taken the place of, have published newer ads for the model, or have made it live.
    """
    catalogue = Catalogue(registry.root)
    with catalogue.publishing():
        if path.parent == catalogue.root:
            current = catalogue.known(path.name)
            older = current is None or newest is None or current.day <= newest
            goes = older and path.name not in registry.one_rollback()
        else:
            goes = catalogue.superseded(path.parent.name, path)
        if goes:
            store_of(path).discard(path)
        return goes


def _age(output: _Output, newest: date, now_s: float) -> str | None:
    """Why an output is too old; None where it is not."""
    if output.day is not None and newest - output.day > timedelta(days=output.days):
        return f"{(newest - output.day).days} days before {newest}"
    if output.since_s is not None and now_s - output.since_s > output.days * _DAY_S:
        return f"written, or out of service, for over {output.days} days"
    return None


def _needed(registry: Registry) -> dict[str, Sequence[str]]:
    """Names that stay whatever their age, by kind."""
    close, trained = registry.one_rollback(), []
    for model_id in close:
        with suppress(BundleError, RegistryError):  # it can't be read, or is gone: no day goes on from it
            if (training := registry.manifest(model_id).training) is not None:
                trained.append(Workspace(registry.root).trained("mtmd", training).name)
    return {"models": registry.standing(), "ads": close, "trained": trained}


def _stays(kind: str, path: Path, needed: Mapping[str, Sequence[str]]) -> bool:
    return path.name in needed.get(kind, ())


def _outputs(workspace: Workspace, retention: RetentionConfig) -> Iterator[_Output]:
    root, registry = workspace.root, Registry(workspace.root)
    for kind, pattern, key in _BY_DAY:
        for path in sorted(root.glob(pattern)):
            if (day := _day_of(path.name)) is not None:
                yield _Output(kind, path, getattr(retention, key), day)
    for path in sorted(root.glob("models/[!.]*")):
        if (path / "manifest.json").is_file():
            yield _Output("models", path, retention.models, _as_of(registry, path.name))
    yield from _published(Catalogue(root), retention)
    for kind in _BY_CLOCK:
        for path in sorted(root.glob(f"{kind}/[!.]*")):
            with suppress(FileNotFoundError):  # a run that ends removes its work
                yield _Output(kind, path, retention.caches, since_s=path.stat().st_mtime)


def _published(catalogue: Catalogue, retention: RetentionConfig) -> Iterator[_Output]:
    """A model's ads age together; those that others took the place of go a day later, when no reader opens them."""
    newest: dict[str, date] = {}
    for model_id, path, day in catalogue.publications():
        newest[model_id] = max(day, newest.get(model_id, day))
        if catalogue.superseded(model_id, path):
            yield _Output("ads", path, _SUPERSEDED_DAYS, since_s=path.stat().st_mtime)
    for model_id, day in newest.items():
        yield _Output("ads", catalogue.root / model_id, retention.ads, day)


def _as_of(registry: Registry, model_id: str) -> date | None:
    """A model's day; None for one that cannot be read, which stays: it may be one that a person wants to restore."""
    try:
        return registry.manifest(model_id).as_of
    except (BundleError, RegistryError):  # or a directory that has no model's name
        return None


def _newest(workspace: Workspace) -> date | None:
    """Of runs that decided: a directory without a summary is no run, whatever its name says."""
    days = [_day_of(path.name) for path in run_paths(workspace)]
    champion = Registry(workspace.root).champion()
    return max((day for day in (*days, champion.as_of if champion else None) if day), default=None)


def _day_of(name: str) -> date | None:
    match = _DAY.search(name)
    try:
        return date.fromisoformat(match.group(1)) if match else None
    except ValueError:  # no day of the calendar: not ours
        return None
