"""`mtmd shadow`: what the log of a candidate in the shadow says, summed up."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field

from mtmd.command_line import Artifacts, AsJson, PresetName, app, console, literal
from mtmd.config import Frozen, load_preset
from mtmd.errors import StorageError
from mtmd.extras.shadow.candidate import Compared, Failed, TaskScores
from mtmd.store.workspace import Workspace

commands = app()


class ShadowSummary(Frozen):
    """One candidate beside one champion."""

    live: str
    candidate: str
    first: datetime
    last: datetime
    requests: int
    ads: int = Field(description="that the champion answered")
    shared: int = Field(description="of those, how many the candidate would have answered too")
    same_first: int = Field(description="of the requests, those with the same best ad")
    tasks: dict[str, TaskScores] = Field(
        description="`surface × task` → the scores of all ads of its requests"
    )


class ShadowReport(Frozen):
    """All of a log."""

    pairs: tuple[ShadowSummary, ...]
    failed: int = Field(description="calls that a candidate could not answer")
    last_error: str | None
    unreadable: int = Field(description="lines that are none, such as one that was cut off")


@commands.command()
def shadow(
    preset: PresetName,
    artifacts: Artifacts = "artifacts",
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="of the log; default: shadow/ of the line")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sum up the log of a candidate in the shadow.

    It says how the candidate's answers differ from the champion's. The service writes it while the preset's
    [extras.shadow] names a model.
    """
    found = summed_up(folder or Workspace.of(artifacts, load_preset(preset)).root / "shadow")
    if as_json:
        console.print(found.model_dump_json(indent=2), markup=False)
        return
    for pair in found.pairs:
        console.print(literal("\n".join(_words(pair))))
    if found.failed:
        console.print(literal(f"{found.failed} calls failed; the last one: {found.last_error}"))
    if found.unreadable:
        console.print(f"{found.unreadable} lines cannot be read and were left out")


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
            if "error" in json.loads(line):
                failures.append(Failed.model_validate_json(line))
            else:
                compared = Compared.model_validate_json(line)
                pairs.setdefault((compared.live, compared.candidate), []).append(compared)
        except (ValueError, TypeError):
            unreadable += 1
    last = max(failures, key=lambda failed: failed.at, default=None)
    return ShadowReport(
        pairs=tuple(_summary(lines) for _, lines in sorted(pairs.items())),
        failed=len(failures),
        last_error=None if last is None else f"{last.candidate}: {last.error}",
        unreadable=unreadable,
    )


def _lines(file: Path) -> list[str]:
    """None of a file that a service renamed meanwhile."""
    with suppress(FileNotFoundError):
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    return []


def _summary(lines: Sequence[Compared]) -> ShadowSummary:
    slices: dict[str, list[TaskScores]] = {}
    for line in lines:
        for task, scores in line.tasks.items():
            slices.setdefault(f"{line.surface} × {task}", []).append(scores)
    return ShadowSummary(
        live=lines[0].live,
        candidate=lines[0].candidate,
        first=min(line.at for line in lines),
        last=max(line.at for line in lines),
        requests=len(lines),
        ads=sum(line.ads for line in lines),
        shared=sum(line.shared for line in lines),
        same_first=sum(line.same_first for line in lines),
        tasks={name: TaskScores.pooled(found) for name, found in sorted(slices.items())},
    )


def _words(pair: ShadowSummary) -> Iterator[str]:
    """The pair in some lines, then a line for each surface and task."""
    share = f"{pair.shared / pair.ads:.1%}" if pair.ads else "none"
    yield f"{pair.candidate} beside champion {pair.live}"
    yield f"{pair.requests:,} requests, {pair.first:%Y-%m-%d %H:%M} to {pair.last:%Y-%m-%d %H:%M} UTC"
    yield f"{share} of the {pair.ads:,} answered ads are among the candidate's too"
    yield f"{pair.same_first / pair.requests:.1%} of the requests have the same best ad"
    for name, scores in pair.tasks.items():
        yield (
            f"{name}, {scores.ads:,} ads: mean probability {scores.live:.4f} live, {scores.candidate:.4f} candidate; "
            f"differences {scores.absolute:.4f} at the mean, {scores.largest:.4f} at most"
        )
