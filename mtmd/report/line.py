"""All that is stored of a line of models: runs that decided or ended before that, monitored days, and champions.

`index.json` keeps what is shown of each decided run. So a summary is parsed once, and a run stays listed when the
clean-up has removed its directory.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import MtmdError
from mtmd.evaluate.report import EVERYTHING
from mtmd.monitor.health import MonitorReport
from mtmd.promote.findings import RunSummary
from mtmd.registry.records import SUMMARY, Champion, ChampionChange, ModelManifest, run_paths
from mtmd.registry.registry import Registry
from mtmd.report.tables import Table, columns_of, short
from mtmd.store.workspace import Workspace, read_record, written

RECORDS = "index.json"
MARKDOWN = "report.md"  # of a run, as its page has it
DAYS = 400  # so many days up to the newest are shown
_MONITORED = 60  # days whose monitor's record is read
LONGEST = 300  # characters of a text


class RunRecord(Frozen):
    """One run of a day; figures are the candidate's."""

    as_of: date
    at: datetime = Field(description="when its record was written")
    verdict: Literal["promoted", "kept", "stopped", "failed"]
    run: str = Field("", description="its directory in runs/; empty for a run that did not decide")
    model_id: str | None = None
    rows: int | None = Field(None, description="candidate rows of the held-out day")
    reason: str = Field("", description="the first failed gate, the refusal, or the error; empty for none")
    logmae: float | None = Field(None, description="of all tasks: each row of each task counts once")
    ne: float | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="likewise, where all tasks learn from actions",
    )

    @classmethod
    def of(cls, path: Path, summary: RunSummary) -> "RunRecord":
        """Of a run's `summary.json`."""
        decided = summary.verdict
        failed = [f"{gate.name}: {gate.detail}" for gate in decided.gates if not gate.passed]
        why = decided.reason() if failed and decided.promoted else next(iter(failed), decided.refusal or "")
        report = summary.report
        tasks = [report.get(report.candidate, where) for where in report.aggregates]
        return cls(
            as_of=summary.as_of,
            at=written(path),
            verdict="promoted" if summary.promoted or decided.promotion is not None else "kept",
            run=path.parent.name,
            model_id=summary.model_id,
            rows=max((task.rows for task in tasks), default=0),
            reason=short(why, LONGEST),
            logmae=report.logmae(report.candidate),
            ne=report.ne(report.candidate) if report.error_at(EVERYTHING) == "ne" else None,
        )


@dataclass(frozen=True)
class LineRecords:
    """One line of models.

    runs        every run that ended, the newest day first; of a day the latest run first
    monitored   what the monitor found, by day
    champion    the live model
    history     every change of the champion, oldest first
    problem     why the registry could not be read; empty where it was
    """

    root: Path
    runs: tuple[RunRecord, ...]
    monitored: dict[date, MonitorReport]
    champion: Champion | None
    history: tuple[ChampionChange, ...]
    problem: str

    def verdict(self, run: RunRecord) -> str:
        """What came of a run: of a promotion, whether its model was taken down and not reinstated."""
        taken_down = self.champion.rolled_back if self.champion else ()
        down = run.verdict == "promoted" and run.model_id in taken_down
        return "rolled back" if down else run.verdict

    def page(self, run: RunRecord) -> str:
        """The run's page, as a link from the line's; empty where it is not there."""
        page = f"runs/{run.run}/report.html" if run.run else f"failures/as_of={run.as_of}.html"
        return quote(page, safe="/=") if (self.root / page).is_file() else ""


class LineIndex(Frozen):
    """`index.json` of a line: its decided runs, which are read once."""

    format: Literal[4] = 4
    runs: tuple[RunRecord, ...]


def read_line(root: Path) -> LineRecords:
    """Read what is new or changed below a line's directory, and the other runs from `index.json`."""
    champion, history, problem = _registry(root)
    failures = [read_record(path, RunRecord) for path in _of_days(root, "failures/as_of=*.json")]
    runs = [*_decided(root), *(run for run in failures if run is not None)]
    watched = [
        read_record(path, MonitorReport) for path in _of_days(root, "monitoring/date=*.json")[:_MONITORED]
    ]
    return LineRecords(
        root=root,
        runs=tuple(sorted(runs, key=lambda run: (run.as_of, run.at, run.run), reverse=True)),
        monitored={report.day: report for report in watched if report is not None},
        champion=champion,
        history=history,
        problem=problem,
    )


def made_by(workspace: Workspace, model_id: str) -> Path | None:
    """The run that promoted a model, else the latest that decided about it, None where no record is left.

    A later run of its day, such as with other gates, says nothing of how a champion was made.
    """
    day = f"{model_id[:4]}-{model_id[4:6]}-{model_id[6:8]}-"
    paths = [path for path in run_paths(workspace) if path.name.startswith(day)]
    summaries = [(path, read_record(path / SUMMARY, RunSummary)) for path in paths]
    found = [(path, made) for path, made in summaries if made and made.model_id == model_id]
    promoting = (path for path, made in found if made.promoted and made.verdict.promotion is None)
    return next(promoting, found[0][0] if found else None)


def lineage(manifest: ModelManifest) -> Table:
    """What a model was made from."""
    days = sorted(manifest.window)
    start = manifest.started_from
    rows = [
        ("model", manifest.model_id),
        ("content", manifest.bundle_id),
        ("architecture", manifest.architecture + (f", rival {manifest.rival}" if manifest.rival else "")),
        ("trained on", f"{days[0]} to {days[-1]} ({len(days)} days)" if days else "nothing"),
        (
            "started from",
            f"{start.model_id}; last full retrain: {start.full_model_id}" if start else "a full retrain",
        ),
        ("held-out shard", str(manifest.held_out)),
        ("git commit", manifest.git_commit or "not in a repository"),
        *((f"seed, {name}", str(seed)) for name, seed in manifest.seeds.items()),
        *((f"package {name}", version) for name, version in manifest.packages.items()),
    ]
    return Table(title="Lineage", columns=columns_of("text", ("what", "value")), rows=tuple(rows))


def _decided(root: Path) -> Iterator[RunRecord]:
    """The newest 400 days; a summary that was not written again since is not read again."""
    stored = read_record(root / RECORDS, LineIndex)
    found = {run.run: run for run in (stored.runs if stored else ())}
    for path in sorted(root.glob(f"runs/*/{SUMMARY}")):
        before = found.get(path.parent.name)
        with suppress(FileNotFoundError):  # removed a moment ago
            if before is None or before.at != written(path):
                summary = read_record(path, RunSummary)
                found |= {path.parent.name: RunRecord.of(path, summary)} if summary else {}
    oldest = max((run.as_of for run in found.values()), default=date.max) - timedelta(days=DAYS)
    return (run for run in found.values() if run.as_of > oldest)


def _of_days(root: Path, pattern: str) -> list[Path]:
    """Records that are named after days, the newest first, but for mistyped days, which are yet to come."""
    last = f"{datetime.now(UTC).date()}"
    return sorted((path for path in root.glob(pattern) if path.stem.partition("=")[2] <= last), reverse=True)


def _registry(root: Path) -> tuple[Champion | None, tuple[ChampionChange, ...], str]:
    """Read without the registry's lock, so that nothing waits for a page."""
    try:
        registry = Registry(root)
        return registry.champion(), registry.history(), ""
    except MtmdError as error:
        return None, (), str(error)
