"""What people read of backfills, monitored days, clean-ups and rollbacks, and of a run that stopped."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date

from mtmd import extension
from mtmd.config import load_preset
from mtmd.errors import LogsError, MtmdError, ValidationError
from mtmd.jobs.backfill import BackfillDay
from mtmd.jobs.clean_up import CleanUp
from mtmd.monitor.health import SERVED, MonitorReport
from mtmd.promote.rollback import Republished, RolledBack
from mtmd.report.document import Block, Document, Item, Items, Kind, Picture, Section, line_chart
from mtmd.report.tables import Table, columns_of, number
from mtmd.store.workspace import Workspace, read_record
from mtmd.validate.results import ExpectationResult, cause
from mtmd.validate.stage import DataQuality

_STATES: dict[str, Kind] = {
    "to run": "",
    "completed": "good",
    "failed": "bad",
    "blocked": "bad",
    "skipped": "held",
    "left out": "held",
}
_VERDICTS = {(True, True): "✗ breach", (False, True): "ok", (False, False): "too few rows"}
_MOST = 40  # figures of a monitored day, or failed expectations, that are listed
_REMEDY = (
    "Have the table delivered again, then run the day again: what passed is not looked at again. Where the data is "
    "right, say so in the preset: [data.accepted] for a change that stays, [left_out] for a day that can't be mended."
)
_MOST_PATHS = 100
TO_STOP = (
    "To stop a backfill, cancel its own run: the day that runs is cancelled with it, and no other day begins. "
    "To cancel the run of a day stops nothing. Started again, the backfill goes on."
)


def _of(title: str, kind: Kind, words: str, *blocks: Block) -> Document:
    return Document(title, kind, (words,), sections=(Section("", "", 0, blocks),))


def backfill(days: Sequence[BackfillDay], pages: Mapping[date, str]) -> Document:
    """What is blocked or failed first; then the other days in their order, with links to their `pages` (URLs)."""
    missed = [day for day in days if _STATES[day.state] == "bad"]
    items = [
        Item(
            _STATES[day.state],
            " ".join(filter(None, (f"{day.as_of} {day.state}", day.model_id))),
            day.words,
            pages.get(day.as_of, ""),
        )
        for day in (*missed, *(day for day in days if day not in missed))
    ]
    running = sum(day.state == "to run" for day in days)
    title = f"{len(days)} days, {running} to run" + (f", {len(missed)} not completed" if missed else "")
    words = "Days that were decided are skipped, unless reprocess says otherwise."
    words += f" {TO_STOP}" if running else ""
    return _of(title, "bad" if missed else "good", words, Items(items))


def monitor(report: MonitorReport, trend: Sequence[MonitorReport]) -> Document:
    """A monitored day: breaches first, then the champion's figures and drift; `trend` has the days before it too."""
    champion = (
        f"champion {report.champion}, as_of {report.champion_as_of}" if report.champion else "no champion"
    )
    items = [Item("bad", finding.signal, finding.words) for finding in report.breaches]
    for signal in dict.fromkeys(finding.signal for finding in report.unjudged):
        without = [finding for finding in report.of(signal) if not finding.judged]
        words = f"{len(without)} of {len(report.of(signal))}, such as {without[0].where}: {without[0].words}"
        items.append(Item("", f"not judged, {signal}", words))
    few = 2 * len(report.unjudged) > len(report.findings)
    kind: Kind = "bad" if report.breaches else "held" if few else "good"
    title = f"{report.day}: {report.verdict}"
    blocks = (*_served(report), _figures(report), *_trend(trend))
    return _of(title, kind, champion, Items(items), *blocks)


def _served(report: MonitorReport) -> Iterator[Block]:
    """Who is judged by what people did with its answers, and the comparisons; nothing where the logs name no model."""
    if not report.watched:
        return
    yield report.watched
    rows = tuple(
        (
            f"{one.signal.removeprefix(SERVED).strip()}, {one.where}",
            number(one.value, ".4g"),
            number(one.reference, ".4g"),
            one.change,
            _VERDICTS[one.breach, one.judged],
        )
        for one in report.findings
        if one.signal.startswith(SERVED)
    )
    columns = (*columns_of("text", ("of",)), *columns_of("number", ("champion", "compared with")))
    columns = (*columns, *columns_of("estimate", ("change",)), *columns_of("text", ("verdict",)))
    yield Table(
        title="What people did with its answers; changes of auc and unscored are in points",
        columns=columns,
        rows=rows,
    )


def _figures(report: MonitorReport) -> Table:
    """Breaches first, then what was judged; without what models answered."""
    others = (one for one in report.findings if not one.signal.startswith(SERVED))
    found = sorted(others, key=lambda one: (not one.breach, not one.judged))
    rows = (
        (f"{one.signal}, {one.where}", number(one.value, ".4g"), number(one.reference, ".4g"),
         _VERDICTS[one.breach, one.judged])
        for one in found[:_MOST]
    )  # fmt: skip
    numbers = columns_of("number", ("on the day", "at promotion, or its bound"))
    columns = (*columns_of("text", ("of",)), *numbers, *columns_of("text", ("verdict",)))
    return Table(title=f"{min(_MOST, len(found))} of {len(found)} numbers", columns=columns, rows=tuple(rows))


def _trend(reports: Sequence[MonitorReport]) -> Iterator[Picture]:
    """The error of every task on each day that was scored, the oldest first; nothing of fewer than three days."""
    days = [
        (
            report.day,
            {
                one.where.split(" × ")[-1]: one.value
                for one in (*report.of("logmae"), *report.of("ne"))
                if one.where.startswith("all ×")
            },
        )
        for report in reports
    ]
    scored = [(day, figures) for day, figures in days if any(value is not None for value in figures.values())]
    if len(scored) >= 3:
        series = {task: [figures.get(task) for _, figures in scored] for task in scored[-1][1]}
        title = "Error of the champion on each new day"
        yield Picture(line_chart(title, series, (f"{scored[0][0]}", f"{scored[-1][0]}")), title)


def clean_up(cleaned: CleanUp) -> Document:
    """What goes, by kind; then path by path, at most a hundred."""
    rows = []
    for kind in dict.fromkeys(output.kind for output in cleaned.removed):
        sizes = [output.bytes for output in cleaned.removed if output.kind == kind]
        rows.append((kind, len(sizes), f"{sum(sizes) / 1e6:,.1f}"))
    columns = (*columns_of("text", ("kind",)), *columns_of("count", ("outputs", "MB")))
    return _of(
        cleaned.words,
        "",
        f"Newest run: {cleaned.newest or 'none'}; kept for rollbacks: {', '.join(cleaned.standing) or 'none'}.",
        Table(title="By kind", columns=columns, rows=tuple(rows)),
        Items([Item("", output.path, output.why) for output in cleaned.removed[:_MOST_PATHS]]),
    )


def point_to_check(error: Exception, as_of: date, preset: str, logs: str | None) -> None:
    """Note on an error about logs which command says what mends them."""
    if isinstance(error, ValidationError) and error.day is None:  # each day by itself is right
        return
    if isinstance(error, LogsError | ValidationError) and extension.module("check", "commands"):
        given = f" --logs {shlex.quote(logs)}" if logs else ""
        command = f"mtmd check --as-of {error.day or as_of} --preset {shlex.quote(preset)}{given}"
        error.add_note(f"What mends it: {command}")


def stopped(as_of: date, error: Exception, live: str | None, quality: DataQuality | None = None) -> Document:
    """A run that ended before its decision was recorded; `live` is the champion afterwards.

    Of a day that the suites stopped, by their `quality`, the first words are the reason, and sections have the rest.
    """
    there = f"as_of {as_of} · live now: {live or 'no model found'}"
    notes: list[str] = getattr(error, "__notes__", [])
    seen = quality.validations if quality is not None and isinstance(error, ValidationError) else ()
    if not (found := [(one.title, result) for one in seen for result in one.failures]):
        lines = (f"{error}".strip() or "an error without words; see the log of the run").splitlines()
        remedy = "Mend what it names, then run the day again: what is complete is reused."
        return _of("Stopped before a decision was recorded", "bad", there, *lines, *notes, remedy)
    sections = (
        Section(
            f"stop-{place}", f"{title}: {result.table}.{result.name}", place, list(_rows(result)),
            lead=result.found, kind="bad",
        )
        for place, (title, result) in enumerate(found[:_MOST])
    )  # fmt: skip
    return Document(
        "Stopped by the data suites", "bad", (cause(seen), *notes, _REMEDY, there), sections=tuple(sections)
    )


def failed_quality(artifacts: str, preset: str, as_of: date, error: Exception) -> DataQuality | None:
    """What the suites said in a run that they ended with an error; None of another error, or where it can't be read."""
    if isinstance(error, ValidationError):
        with suppress(MtmdError, OSError):
            workspace = Workspace.of(artifacts, load_preset(preset))
            return read_record(workspace.latest_validation(as_of), DataQuality)
    return None


def _rows(result: ExpectationResult) -> Iterator[Block]:
    """What goes wrong, and the first rows: their keys, or what was observed and what is usual."""
    yield result.description
    if result.samples:
        keys = result.sample_columns
        rows = tuple(tuple(row.get(key, "") for key in keys) for row in result.samples)
        yield Table(title=f"The first {len(rows)}", columns=columns_of("text", keys), rows=rows)


def rollback(done: RolledBack, ads: Republished | None = None) -> Document:
    """What was taken down, what is live, why, with which ads, and how the model could come back."""
    champion = done.champion
    failed: Kind = "bad" if ads is not None and ads.failed else ""
    items = [
        Item("", "live now", f"{champion.model_id}, as_of {champion.as_of}, sequence {champion.sequence}"),
        Item("", "before it was flipped", done.check),
        Item(failed, "ads", f"at the flip, {done.ads}" if ads is None else ads.words),
        Item("", "another rollback would go to", champion.previous or "nothing"),
        Item("", f"{done.taken_down} is not promoted again by a run of its day",
             f"mtmd reinstate {done.taken_down} --reason … lets it come back"),
    ]  # fmt: skip
    return _of(done.words, failed, f"Reason: {champion.change.reason}", Items(items))
