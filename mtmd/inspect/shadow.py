"""What the shadow log says: how a candidate's answers differ from the champion's, summed up."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from pydantic import Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import StorageError
from mtmd.report.tables.evaluation import Column, Table
from mtmd.serve.http.comparison import Compared, Failed, TaskScores


class TaskSummary(Frozen):
    """One task of one surface, over all ads of its requests."""

    surface: str
    task: str
    requests: int
    scores: TaskScores


class ShadowSummary(Frozen):
    """One candidate beside one champion."""

    live: str
    candidate: str
    first: datetime
    last: datetime
    days_differ: int = Field(description="requests for which the two had ads of different days")
    requests: int
    answered: int = Field(description="of the requests, those that the champion answered with an ad at least")
    ads: int = Field(description="that the champion answered")
    shared: int = Field(description="of those, how many the candidate would have answered too")
    same_first: int = Field(description="of the answered requests, those with the same best ad")
    missing: int = Field(description="of the champion's ads, how many the candidate has no embedding of")
    tasks: tuple[TaskSummary, ...]


class ShadowReport(Frozen):
    """All of a log."""

    pairs: tuple[ShadowSummary, ...]
    failed: int = Field(description="calls that a candidate could not answer")
    last_error: str | None
    unreadable: int = Field(description="lines that are none, such as one that was cut off")


def summed_up(folder: Path) -> ShadowReport:
    """Of every file in the folder; raises StorageError where there is none."""
    pairs: dict[tuple[str, str], list[Compared]] = {}
    failures: list[Failed] = []
    unreadable = 0
    with ExitStack() as closing:
        files = _opened(folder, closing)
        if not files:
            raise StorageError(
                f"{folder} has no log of a candidate; start the service with `mtmd serve --shadow newest`, or say "
                "where the log is with --folder"
            )
        for found in _lines(files):
            if isinstance(found, Compared):
                pairs.setdefault((found.live.model_id, found.candidate.model_id), []).append(found)
            elif isinstance(found, Failed):
                failures.append(found)
            else:
                unreadable += 1
    last = max(failures, key=lambda one: one.at, default=None)
    return ShadowReport(
        pairs=tuple(_summary(*names, own) for names, own in sorted(pairs.items())),
        failed=len(failures),
        last_error=None if last is None else f"{last.candidate}: {last.error}",
        unreadable=unreadable,
    )


def _lines(files: Iterable[TextIO]) -> Iterator[Compared | Failed | None]:
    for file in files:
        for line in file:
            yield _read(line)


def _opened(folder: Path, closing: ExitStack) -> list[TextIO]:
    """Each file once.

    A service that begins a new file renames the older ones. So a second look finds those that the first one missed.
    """
    by_inode: dict[int, TextIO] = {}
    for _ in range(2):
        for path in sorted(folder.glob("*.jsonl*")):
            with suppress(FileNotFoundError):
                file = closing.enter_context(path.open(encoding="utf-8", errors="replace"))
                by_inode.setdefault(os.fstat(file.fileno()).st_ino, file)
    return list(by_inode.values())


def _read(line: str) -> Compared | Failed | None:
    try:
        found: Any = json.loads(line)
        return (Failed if "error" in found else Compared).model_validate(found)
    except (ValueError, TypeError, ValidationError):
        return None


def _summary(live: str, candidate: str, own: Sequence[Compared]) -> ShadowSummary:
    slices: dict[tuple[str, str], list[TaskScores]] = {}
    for one in own:
        for task, scores in one.tasks.items():
            slices.setdefault((one.surface, task), []).append(scores)
    return ShadowSummary(
        live=live,
        candidate=candidate,
        first=min(one.at for one in own),
        last=max(one.at for one in own),
        days_differ=sum(one.live.day != one.candidate.day for one in own),
        requests=len(own),
        answered=sum(one.ads > 0 for one in own),
        ads=sum(one.ads for one in own),
        shared=sum(one.shared for one in own),
        same_first=sum(
            one.same_first for one in own if one.ads
        ),  # where none was answered, both firsts are None
        missing=sum(one.missing for one in own),
        tasks=tuple(
            TaskSummary(surface=surface, task=task, requests=len(found), scores=_pooled(found))
            for (surface, task), found in sorted(slices.items())
        ),
    )


def _pooled(found: Sequence[TaskScores]) -> TaskScores:
    """Means over all ads."""
    ads = sum(one.ads for one in found)
    return TaskScores(
        ads=ads,
        live=sum(one.live * one.ads for one in found) / ads,
        candidate=sum(one.candidate * one.ads for one in found) / ads,
        absolute=sum(one.absolute * one.ads for one in found) / ads,
        largest=max(one.largest for one in found),
    )


def words(pair: ShadowSummary) -> tuple[str, ...]:
    """The pair in some lines."""
    share = f"{pair.shared / pair.ads:.1%}" if pair.ads else "none"
    same = f"{pair.same_first / pair.answered:.1%}" if pair.answered else "none"
    empty = pair.requests - pair.answered
    notes = [f"{pair.missing:,} answered ads are not published for the candidate"] if pair.missing else []
    notes += [f"{empty:,} requests were answered without an ad"] if empty else []
    notes += [f"{pair.days_differ:,} requests had ads of different days"] if pair.days_differ else []
    return (
        f"{pair.candidate} beside champion {pair.live}",
        f"{pair.requests:,} requests, {pair.first:%Y-%m-%d %H:%M} to {pair.last:%Y-%m-%d %H:%M} UTC",
        f"{share} of the {pair.ads:,} answered ads are among the candidate's too",
        f"{same} of the {'answered ' if empty else ''}requests have the same best ad",
        *notes,
    )


def shadow_table(pair: ShadowSummary) -> Table:
    """Mean probabilities of the same ads by both models, by surface and task; at most 100 columns wide."""
    names = ("live", "candidate", "mean |diff|", "largest")
    columns = (
        Column(name="surface", kind="text"),
        Column(name="task", kind="text"),
        Column(name="requests", kind="count"),
        Column(name="ads", kind="count"),
        *(Column(name=name) for name in names),
        Column(name="level", kind="percent"),
    )
    rows = tuple(
        (
            one.surface,
            one.task,
            one.requests,
            one.scores.ads,
            one.scores.live,
            one.scores.candidate,
            one.scores.absolute,
            one.scores.largest,
            one.scores.candidate / one.scores.live - 1 if one.scores.live else None,
        )
        for one in pair.tasks
    )
    return Table(
        title="probabilities of the ads that were answered, by both models", columns=columns, rows=rows
    )
