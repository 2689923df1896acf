"""What a day's training would take, by the records of the last runs: an estimate on a machine like theirs."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import fmean, median
from typing import Self

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import StorageError
from mtmd.extract.shards import read_manifest
from mtmd.model.build import ModelKind
from mtmd.registry.records import origin, run_paths
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace
from mtmd.train.results import FitResult

LAST = 5  # runs, and trainings of a kind, that an estimate is made from


class PastCost(Frozen):
    """The last runs that say what they took; each trained all of its models, or took what had been trained."""

    runs: int
    rows: int = Field(description="candidate rows of a window, the median")
    seconds: float = Field(description="of training in a run, the median")
    fastest: float
    slowest: float
    per_row: float = Field(description="seconds of training per row of the window, the median")

    @classmethod
    def of(cls, workspace: Workspace) -> Self | None:
        """Of a line's last runs; None where none has a record of it."""
        found = [made for path in run_paths(workspace)[:LAST] if (made := origin(path)) is not None]
        known = [one for one in found if one.window_rows > 0 and one.training_seconds > 0]
        if not known:
            return None
        seconds = [one.training_seconds for one in known]
        return cls(
            runs=len(known),
            rows=round(median(one.window_rows for one in known)),
            seconds=median(seconds),
            fastest=min(seconds),
            slowest=max(seconds),
            per_row=median(one.training_seconds / one.window_rows for one in known),
        )


def training_seconds(
    workspace: Workspace,
    past: PastCost | None,
    untrained: Sequence[ModelKind],
    *,
    whole: bool,
    rows: int | None,
) -> float | None:
    """What training these models takes: by the last runs where they are `whole`, all of a run's, or else by their kind.

    `rows` are those of the day's window, None where they are not known. None where nothing says what it takes.
    """
    if not untrained:
        return 0.0
    if whole and past is not None:
        return past.per_row * (past.rows if rows is None else rows)
    costs = [_of_kind(workspace, kind) for kind in untrained]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def window_rows(shards: Mapping[date, Path], known: dict[Path, int | None]) -> int | None:
    """Candidates of a window, by the shards that are there; a day without a shard counts as their mean.

    `known` has the shards that were read before, and gets the others: the windows of two days share most of theirs.
    """
    for path in shards.values():
        if path not in known:
            known[path] = _rows(path)
    rows = [count for path in shards.values() if (count := known[path]) is not None]
    return round(fmean(rows) * len(shards)) if rows else None


def _rows(shard: Path) -> int | None:
    try:
        return read_manifest(shard).candidates if shard.is_dir() else None
    except StorageError:
        return None


def _of_kind(workspace: Workspace, kind: ModelKind) -> float | None:
    """The median of a kind's last trainings."""
    fits = sorted(
        (workspace.root / "trained").glob(f"{kind}-*/fit.json"), key=lambda path: path.stat().st_mtime_ns
    )
    records = [fit for path in fits[-LAST:] if (fit := read_record(path, FitResult)) is not None]
    took = [fit.seconds for fit in records]
    return median(took) if took else None
