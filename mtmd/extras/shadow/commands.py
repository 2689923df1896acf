"""`mtmd shadow`: what the log of a candidate in the shadow says, summed up."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from mtmd.command_line import Artifacts, PresetName, app, console, literal
from mtmd.config import load_preset
from mtmd.errors import StorageError
from mtmd.extras.shadow.candidate import Compared, Failed, TaskScores
from mtmd.store.workspace import Workspace

commands = app()


@commands.command()
def shadow(preset: PresetName, artifacts: Artifacts = "artifacts") -> None:
    """Sum up the log of a candidate in the shadow.

    It says how the candidate's answers differ from the champion's. The service writes it while the preset's
    [extras.shadow] names a model.
    """
    folder = Workspace.of(artifacts, load_preset(preset)).root / "shadow"
    console.print(literal("\n".join(summed_up(folder))))


def summed_up(folder: Path) -> Iterator[str]:
    """Some lines of each champion and candidate, of every file in the folder; StorageError where there is none."""
    files = sorted(folder.glob("*.jsonl*"))
    if not files:
        raise StorageError(
            f'{folder} has no log of a candidate; set `model = "newest"` in [extras.shadow] of the preset and start '
            "the service"
        )
    pairs: dict[tuple[str, str], list[Compared]] = defaultdict(list)
    failures: list[Failed] = []
    unreadable = 0
    for line in (line for file in files for line in file.read_text("utf-8", "replace").splitlines()):
        try:
            if "error" in json.loads(line):
                failures.append(Failed.model_validate_json(line))
            else:
                compared = Compared.model_validate_json(line)
                pairs[compared.live, compared.candidate].append(compared)
        except (ValueError, TypeError):  # such as a line that was cut off
            unreadable += 1
    for (live, candidate), lines in sorted(pairs.items()):
        yield f"{candidate} beside champion {live}"
        yield from _words(lines)
    if failures:
        last = max(failures, key=lambda failed: failed.at)
        yield f"{len(failures)} calls failed; the last one: {last.candidate}: {last.error}"
    if unreadable:
        yield f"{unreadable} lines cannot be read and were left out"


def _words(lines: Sequence[Compared]) -> Iterator[str]:
    """Of one pair, then a line for each surface and task."""
    slices: dict[str, list[TaskScores]] = defaultdict(list)
    for line in lines:
        for task, scores in line.tasks.items():
            slices[f"{line.surface} × {task}"].append(scores)
    ads, shared = (sum(getattr(line, name) for line in lines) for name in ("ads", "shared"))
    first, last = min(line.at for line in lines), max(line.at for line in lines)
    yield f"{len(lines):,} requests, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    yield f"{shared / max(ads, 1):.1%} of the {ads:,} answered ads are among the candidate's too"
    yield f"{sum(line.same_first for line in lines) / len(lines):.1%} of the requests have the same best ad"
    for name, parts in sorted(slices.items()):
        scores = TaskScores.pooled(parts)
        yield (
            f"{name}, {scores.ads:,} ads: mean probability {scores.live:.4f} live, {scores.candidate:.4f} candidate; "
            f"differences {scores.absolute:.4f} at the mean, {scores.largest:.4f} at most"
        )
