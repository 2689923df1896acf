"""What a reader sees first: is it better than its rivals, on which data, and what to know before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mtmd.config import GatesConfig
from mtmd.evaluate.report import EVERYTHING, Estimate, EvaluationReport
from mtmd.extract.shards import Days
from mtmd.promote.counts import Tally, is_task
from mtmd.promote.gates import Verdict
from mtmd.report.page.charts import minus
from mtmd.report.page.heat_map import HeatCell, estimate_cell, full_colour
from mtmd.report.standing import rival_name, slice_findings, standing
from mtmd.report.tables.buckets import gain_of
from mtmd.report.tables.evaluation import estimate
from mtmd.report.traffic import traffic
from mtmd.validate.results import DayValidation, WindowValidation

_ROWS = ("champion", "anchor", "per_slice", "pooled")
_NOT_ALWAYS = ("anchor",)  # a row where it was compared; the others say that they were not
_THIN = 0.3  # a day with so much less than the usual rows is pointed out


@dataclass(frozen=True)
class RivalRow:
    """The candidate against one rival: in words, over all tasks and by task, and in its worst slice by name."""

    name: str
    words: str
    kind: str
    cells: tuple[HeatCell, ...]
    worst: str = ""
    worst_traffic: str = ""
    worst_words: str = ""
    worst_kind: str = ""
    slices: str = ""


def rival_rows(report: EvaluationReport, gates: GatesConfig) -> tuple[RivalRow, ...]:
    """Against the champion, the last full retrain, the per-slice baselines and the pooled two-tower.

    One that was not compared says so.
    """
    own = [name for name in _ROWS if name in report.predictors]
    gains = {name: _gains(report, name) for name in own}
    full = full_colour([one.value for row in gains.values() for one in row if one is not None])
    rows = []
    for name in _ROWS:
        if name not in gains:
            if name not in _NOT_ALWAYS:
                rows.append(RivalRow(rival_name(report, name), "not compared", "", ()))
            continue
        found = standing(report, name)
        kind = "bad" if found.behind else "good" if found.ahead else ""
        cells = tuple(estimate_cell(one, full) for one in gains[name])
        rows.append(
            RivalRow(rival_name(report, name), found.words, kind, cells, *_worst(report, name, gates))
        )
    return tuple(rows)


def _gains(report: EvaluationReport, rival: str) -> list[Estimate | None]:
    """Over all tasks, then task by task."""
    by_task = [estimate(report, report.candidate, rival, where) for where in report.aggregates]
    return [gain_of(report, rival, EVERYTHING, None), *by_task]


def _worst(report: EvaluationReport, rival: str, gates: GatesConfig) -> tuple[str, str, str, str, str]:
    """The judged slice with the least gain: name, traffic, numbers, class; and how many slices are better and worse."""
    findings = slice_findings(report, rival, gates)
    judged = [
        (finding.improvement, finding)
        for finding in findings
        if finding.judged and finding.improvement is not None and not is_task(finding.slice)
    ]
    if not judged:
        return "no slice could be judged", "", "", "", ""
    least, worst = min(judged, key=lambda pair: pair[0])
    gain = Estimate(value=least, low=worst.low, high=worst.high)
    kind = "bad" if worst.decision == "worse" else ""
    return str(worst.slice), traffic(report, worst.slice), minus(str(gain)), kind, Tally.of(findings).words


def data_words(
    validations: Sequence[DayValidation | WindowValidation], days: Days
) -> Iterator[tuple[str, str]]:
    """What to know of the data at first: words and their class."""
    bad = [validation.title for validation in validations if not validation.passed]
    yield ("all suites hold" if not bad else f"{', '.join(bad)} failed"), "bad" if bad else "good"
    newest = [v for v in validations if isinstance(v, DayValidation) and v.day == days.held_out.day]
    if warnings := sum(len(validation.warnings) for validation in newest):
        yield f"{warnings} warning{'s' if warnings > 1 else ''} on the held-out day", "held"
    usual = _usual(days)
    if not usual:
        return
    share = minus(f"{days.held_out.candidates / usual - 1.0:+.0%}")
    words = f"{days.held_out.candidates:,} rows on the held-out day, {share} against the window's daily mean"
    yield words, "held" if odd_day(days) else ""
    thin = min(days.window, key=lambda shard: shard.candidates)
    if thin.candidates < (1.0 - _THIN) * usual:
        share = minus(f"{thin.candidates / usual - 1.0:+.0%}")
        yield f"thinnest training day: {thin.day}, {share}", "held"


def odd_day(days: Days) -> str:
    """`49% fewer rows than usual on the held-out day`; empty where the day is about as large as the window's."""
    usual = _usual(days)
    change = days.held_out.candidates / usual - 1.0 if usual else 0.0
    if abs(change) <= _THIN:
        return ""
    return f"{abs(change):.0%} {'fewer' if change < 0 else 'more'} rows than usual on the held-out day"


def _usual(days: Days) -> float:
    """Candidates of a mean day of the window."""
    return sum(shard.candidates for shard in days.window) / len(days.window)


def noted(verdict: Verdict) -> Iterator[str]:
    """What a reader must know before the answers: what was not judged. Of a promoted candidate the headline says it."""
    if not verdict.promoted and verdict.unjudged:
        yield verdict.unjudged
