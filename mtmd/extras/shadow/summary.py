"""What the shadow log says: how a candidate's answers differ from the champion's, summed up."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import StorageError
from mtmd.extras.shadow.comparison import Compared, Failed, TaskScores


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
    files = sorted(folder.glob("*.jsonl*"))
    if not files:
        raise StorageError(
            f'{folder} has no log of a candidate; set `model = "newest"` in [extras.shadow] of the preset and start '
            "the service, or say where the log is with --folder"
        )
    pairs: dict[tuple[str, str], list[Compared]] = {}
    failures: list[Failed] = []
    unreadable = 0
    for line in (line for file in files for line in _lines(file)):
        try:
            found: Any = json.loads(line)
            if "error" in found:
                failures.append(Failed.model_validate(found))
            else:
                compared = Compared.model_validate(found)
                pairs.setdefault((compared.live.model_id, compared.candidate.model_id), []).append(compared)
        except (ValueError, TypeError):
            unreadable += 1
    last = max(failures, key=lambda failed: failed.at, default=None)
    return ShadowReport(
        pairs=tuple(_summary(*names, lines) for names, lines in sorted(pairs.items())),
        failed=len(failures),
        last_error=None if last is None else f"{last.candidate}: {last.error}",
        unreadable=unreadable,
    )


def _lines(file: Path) -> list[str]:
    """None of a file that a service renamed meanwhile."""
    with suppress(FileNotFoundError):
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    return []


def _summary(live: str, candidate: str, lines: Sequence[Compared]) -> ShadowSummary:
    slices: dict[tuple[str, str], list[TaskScores]] = {}
    for line in lines:
        for task, scores in line.tasks.items():
            slices.setdefault((line.surface, task), []).append(scores)
    return ShadowSummary(
        live=live,
        candidate=candidate,
        first=min(line.at for line in lines),
        last=max(line.at for line in lines),
        days_differ=sum(line.live.day != line.candidate.day for line in lines),
        requests=len(lines),
        answered=sum(line.ads > 0 for line in lines),
        ads=sum(line.ads for line in lines),
        shared=sum(line.shared for line in lines),
        same_first=sum(line.same_first for line in lines if line.ads),  # of none, both firsts are None
        missing=sum(line.missing for line in lines),
        tasks=tuple(
            TaskSummary(surface=surface, task=task, requests=len(found), scores=TaskScores.pooled(found))
            for (surface, task), found in sorted(slices.items())
        ),
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
