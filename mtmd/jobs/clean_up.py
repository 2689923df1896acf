"""What may be removed of a line's outputs, and its removal.

Shards, runs, validations and models age by their day, against the newest run's; trained weights and evaluations are
named by content alone, so they age by when they were written (rivals: or last compared as older ones), and ads that
others took the place of by when that was.
The champion, and every model that a rollback can go back to, stay whatever their age; so do the published ads of the
champion and of the model that the next rollback goes to, and the trainings of these two where a later day may go on
from them.
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
from mtmd.errors import BundleError, RegistryError, StorageError
from mtmd.registry.records import run_paths
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.store.stores import store_of
from mtmd.store.workspace import Workspace
from mtmd.train.additions import MOMENTS

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})")
_DAY_S = 24 * 3600
_SUPERSEDED_DAYS = 1
_UPLOAD_DAYS = 2  # longer than any upload takes


class Removable(Frozen):
    """One output that may go."""

    kind: str
    path: str
    bytes: int
    why: str
    day: date | None = Field(None, description="what it aged by; None for what ages by a clock")


class _Output(NamedTuple):
    """An output, the days that it is kept, and what it ages by: its day, or else a clock; by neither, it stays."""

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

    most_share: float = Field(
        1.0, description="share of the outputs beyond which a removal has to be allowed"
    )

    @property
    def bytes(self) -> int:
        return sum(output.bytes for output in self.removable)

    @property
    def total(self) -> int:
        return len(self.removable) + sum(self.kept.values())

    @property
    def large(self) -> bool:
        """Whether so much would go that somebody should have looked at it."""
        return len(self.removable) > self.most_share * self.total


def plan_clean_up(workspace: Workspace, retention: RetentionConfig, now_s: float | None = None) -> CleanUp:
    """Look at everything below the line's directory; `now_s` is the clock that caches age by."""
    registry = Registry(workspace.root)
    registry.refresh()
    newest = _newest(workspace)
    standing = registry.standing()
    if newest is None:
        return CleanUp(newest=None, removable=(), kept={}, standing=standing)
    clock = time.time() if now_s is None else now_s
    needed = _needed(registry)
    removable: list[Removable] = []
    kept: dict[str, int] = {}
    for output in _outputs(workspace, retention):
        why = _age(output, newest, clock)
        if why and not _stays(output.kind, output.path, needed):
            path, size = str(output.path), sum(store_of(output.path).sizes(output.path).values())
            removable.append(Removable(kind=output.kind, path=path, bytes=size, why=why, day=output.day))
        else:
            kept[output.kind] = kept.get(output.kind, 0) + 1
    return CleanUp(
        newest=newest,
        removable=tuple(removable),
        kept=kept,
        standing=standing,
        most_share=retention.most_share,
    )


def clean_up(
    workspace: Workspace,
    planned: CleanUp,
    on_removed: Callable[[Removable], None],
    *,
    allow_large: bool = False,
) -> None:
    """Remove what was planned, but for what a rollback can reach by now, and ads that serve or are newer by now.

    Of a line in a bucket, also what is left there of uploads that did not end, of more than two days ago.
    Raises StorageError, and removes nothing, for a large plan that was not allowed.
    """
    if planned.large and not allow_large:
        raise StorageError(
            f"the clean-up would remove {len(planned.removable)} of {planned.total} outputs; [retention] lets "
            f"{planned.most_share:.0%} go at once: look at what a dry run lists, then allow it with allow_large"
        )
    registry = Registry(workspace.root)
    needed = _needed(registry)
    for output in planned.removable:
        if not _stays(output.kind, Path(output.path), needed) and _remove(registry, output):
            on_removed(output)
    for swept in workspace.store.sweep(workspace.root, time.time() - _UPLOAD_DAYS * _DAY_S):
        why = f"uploads that did not end, over {_UPLOAD_DAYS} days ago"
        on_removed(Removable(kind="uploads", path=swept.place, bytes=swept.bytes, why=why))


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
    workspace, trained = Workspace(registry.root), []
    close = registry.one_rollback()
    for model_id in close:
        with suppress(BundleError, RegistryError):  # it can't be read, or is gone: no day goes on from it
            if (training := registry.manifest(model_id).training) is not None:
                trained.append(workspace.trained("mtmd", training))
    lasting = [path.name for path in trained if MOMENTS in workspace.store.sizes(path)]
    return {"models": registry.standing(), "ads": close, "trained": lasting}


def _stays(kind: str, path: Path, needed: Mapping[str, Sequence[str]]) -> bool:
    return path.name in needed.get(kind, ())


def _outputs(workspace: Workspace, retention: RetentionConfig) -> Iterator[_Output]:
    root = workspace.root
    by_day = (
        ("shards", "shards/date=*", retention.shards),
        ("digests", "shards/digests/date=*.json", retention.shards),
        ("spool", "spool/*/*", retention.shards),
        ("profiles", "monitoring/profiles/date=*", retention.shards),
        ("digests", "monitoring/profiles/digests/date=*.json", retention.shards),
        ("monitoring", "monitoring/date=*.json", retention.runs),
        ("validation", "validation/date=*", retention.runs),
        ("validation", "validation/as_of=*.json", retention.runs),
        ("failures", "failures/as_of=*.json", retention.runs),
        ("mirrors", "mirrors/events/*.json", retention.runs),
        ("runs", "runs/*", retention.runs),
    )
    for kind, pattern, days in by_day:
        for path in sorted(root.glob(pattern)):
            if (day := _day_of(path.name)) is not None:
                yield _Output(kind, path, days, day)
    for path in sorted(root.glob("models/[!.]*")):
        if (path / "manifest.json").is_file():
            yield _Output("models", path, retention.models, _as_of(Registry(root), path.name))
    yield from _published(Catalogue(root), retention)
    for kind in ("trained", "evaluations", "proofs", "graphs", "work"):
        for path in sorted(root.glob(f"{kind}/[!.]*")):
            own = "locks" if path.suffix == ".lock" else kind  # of trainings: empty files, whose work is done
            with suppress(FileNotFoundError):  # a run that ends removes its work
                yield _Output(own, path, retention.caches, since_s=path.stat().st_mtime)


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
