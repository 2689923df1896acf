"""What a reader sees first: is it better, is it calibrated, how does it do on real actions, and on which data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import log

from markupsafe import Markup

from mtmd.config import GatesConfig, Slice
from mtmd.evaluate.on_actions import Interval, auc_interval, calibration_interval, log_loss_interval
from mtmd.evaluate.report import EVERYTHING, Comparison, Estimate, EvaluationReport, SliceMetrics
from mtmd.extract.shards import Days
from mtmd.promote.gates import RIVALS, Verdict
from mtmd.promote.slice_gates import GateResult, shortage
from mtmd.report.page.charts import frame, line, minus, text
from mtmd.report.page.heat_map import HeatCell, estimate_cell, full_colour
from mtmd.report.since import Since
from mtmd.report.standing import rival_name, standing
from mtmd.report.tables.buckets import gain_of
from mtmd.report.tables.evaluation import estimate
from mtmd.report.trend import furthest
from mtmd.validate.results import DayValidation, WindowValidation

_GATES = {
    "champion": "champion",
    "per_slice": "baseline",
    "pooled": None,
}  # which gate judges a rival's slices
_WIDTH, _HEIGHT, _SIDE = 520, 46, 10
_THIN = 0.3  # a day with so much less than the usual rows is pointed out


@dataclass(frozen=True)
class RivalRow:
    """The candidate against one rival: in words, over all tasks and by task, and in its worst slice by name."""

    name: str
    words: str
    kind: str
    cells: tuple[HeatCell, ...]
    worst: str = ""
    worst_words: str = ""
    worst_kind: str = ""
    slices: str = ""


def rival_rows(report: EvaluationReport, verdict: Verdict, gates: GatesConfig) -> tuple[RivalRow, ...]:
    """Against the champion, the per-slice baselines and the pooled two-tower; one that was not compared says so."""
    own = [name for name in _GATES if name in report.predictors]
    gains = {name: _gains(report, name) for name in own}
    full = full_colour([one.value for row in gains.values() for one in row if one is not None])
    rows = []
    for name, gate in _GATES.items():
        if name not in gains:
            rows.append(RivalRow(rival_name(report, name), "not compared", "", ()))
            continue
        found = standing(report, name)
        kind = "bad" if found.behind else "good" if found.ahead else ""
        cells = tuple(estimate_cell(one, full) for one in gains[name])
        judged = next((one for one in verdict.gates if one.name == gate), None)
        rows.append(
            RivalRow(rival_name(report, name), found.words, kind, cells, *_worst(report, name, judged, gates))
        )
    return tuple(rows)


def _gains(report: EvaluationReport, rival: str) -> list[Estimate | None]:
    """Over all tasks, then task by task."""
    by_task = [estimate(report, report.candidate, rival, where) for where in report.aggregates]
    return [gain_of(report, rival, EVERYTHING, None), *by_task]


def _worst(
    report: EvaluationReport, rival: str, gate: GateResult | None, gates: GatesConfig
) -> tuple[str, str, str, str]:
    """The judged slice with the least gain: name, numbers, class; and how many are better and worse."""
    pairs = [report.compared(rival, where) for where in report.slices]
    judged = [
        pair
        for pair in pairs
        if shortage(report, pair.slice, pair.requests, gates) is None and pair.improvement is not None
    ]
    if not judged:
        return "no slice could be judged", "", "", ""
    worst = min(judged, key=lambda pair: pair.improvement or 0.0)
    worse = _worse(judged, gate)
    better = sum(pair.low is not None and pair.low > 0 for pair in judged)
    gain = Estimate(value=worst.improvement or 0.0, low=worst.low, high=worst.high)
    counts = f"{better} of {len(judged)} slices better, {len(worse)} worse"
    kind = "bad" if worst.slice in worse else ""
    return str(worst.slice), minus(str(gain)), kind, counts


def _worse(judged: Sequence[Comparison], gate: GateResult | None) -> set[Slice]:
    """As the rival's gate says; where no gate judges the rival, those whose interval is below zero."""
    if gate is not None and gate.applicable:
        blamed = {finding.slice for finding in gate.slices if finding.decision == "worse"}
        return {pair.slice for pair in judged if pair.slice in blamed}
    return {pair.slice for pair in judged if pair.high is not None and pair.high < 0}


@dataclass(frozen=True)
class CalibrationRow:
    """A judged slice: mean prediction / mean teacher with its interval, and whether the gate calls it wrong."""

    slice: str
    ratio: float
    interval: Interval | None
    outside: bool
    wrong: bool

    @property
    def kind(self) -> str:
        return "bad" if self.wrong else "held" if self.outside else "good"

    @property
    def place(self) -> str:
        """Where the ratio is beside its bounds."""
        return "outside" if self.wrong else "outside by chance" if self.outside else "inside"

    @property
    def words(self) -> str:
        """`1.10 [1.02, 1.19]`"""
        return f"{self.ratio:.2f}" + (
            "" if self.interval is None else f" [{self.interval[0]:.2f}, {self.interval[1]:.2f}]"
        )


@dataclass(frozen=True)
class CalibrationView:
    """All judged slices on one axis between their bounds, and one by one, those furthest from 1 first."""

    words: str
    kind: str
    rows: tuple[CalibrationRow, ...] = ()
    svg: Markup | None = None


def calibration_view(report: EvaluationReport, verdict: Verdict, gates: GatesConfig) -> CalibrationView:
    """What the calibration gate judged; says so where it could judge nothing."""
    rows = sorted(_calibrated(report, verdict, gates), key=lambda row: -abs(log(row.ratio)))
    if not rows:
        return CalibrationView("not judged", "")
    ratios = [row.ratio for row in rows]
    kind = "bad" if any(row.wrong for row in rows) else "good"
    words = f"{min(ratios):.2f} to {max(ratios):.2f} in {len(rows)} judged slices"
    return CalibrationView(words, kind, tuple(rows), Markup(_strip(rows, gates)))


def _calibrated(report: EvaluationReport, verdict: Verdict, gates: GatesConfig) -> Iterator[CalibrationRow]:
    findings = (finding for gate in verdict.gates if gate.name == "calibration" for finding in gate.slices)
    for finding in findings:
        own = report.get(report.candidate, finding.slice)
        ratio = own.teacher_calibration
        if finding.judged and ratio:
            outside = not gates.calibration_low <= ratio <= gates.calibration_high
            interval = calibration_interval(own, report.confidence)
            yield CalibrationRow(str(finding.slice), ratio, interval, outside, finding.blocks)


def _strip(rows: Sequence[CalibrationRow], gates: GatesConfig) -> str:
    """A logarithmic axis with 1 in its middle: a dot for each slice, the bounds shaded."""
    bounds = gates.calibration_low, gates.calibration_high
    reach = 1.08 * abs(log(furthest([*bounds, *(row.ratio for row in rows)])))
    reach = min(reach, log(10.0))

    def x(ratio: float) -> float:
        inside = min(max(log(ratio), -reach), reach)
        return _SIDE + (_WIDTH - 2 * _SIDE) * (inside + reach) / (2 * reach)

    low, high = x(bounds[0]), x(bounds[1])
    parts = [
        f'<rect x="{low:.1f}" y="4" width="{high - low:.1f}" height="22" class="inside"/>',
        line((x(1.0), 2), (x(1.0), 28), 'class="zero"'),
    ]
    parts += [_dot(x(row.ratio), row) for row in reversed(rows)]
    parts += [
        text(at, 42, f"{bound:g}", "middle", size=11) for bound, at in zip(bounds, (low, high), strict=True)
    ]
    if high - low > 120:
        parts.append(text(x(1.0), 42, "1", "middle", size=11))
    return frame(
        _WIDTH,
        _HEIGHT,
        *parts,
        label=f"Calibration of {len(rows)} slices; bounds {bounds[0]:g} and {bounds[1]:g}",
    )


def _dot(x: float, row: CalibrationRow) -> str:
    said = escape(f"{row.slice}: {row.words}")
    return f'<circle cx="{x:.1f}" cy="15" r="4" class="{row.kind}"><title>{said}</title></circle>'


@dataclass(frozen=True)
class ActionRow:
    """One task on what users did; the rival is the champion, or else the per-slice baselines."""

    task: str
    impressions: int
    actions: int
    auc: tuple[str, str]
    log_loss: tuple[str, str]
    rival: tuple[str, str]


def action_rows(report: EvaluationReport) -> tuple[str, tuple[ActionRow, ...]]:
    """The rival's name, and a row for each task over its slices."""
    rival = next((name for name in ("champion", "per_slice", "constant") if name in report.predictors), "")
    rows = []
    for where in report.aggregates:
        own = report.get(report.candidate, where)
        other = report.get(rival, where) if rival else None
        rows.append(
            ActionRow(
                where.task,
                own.impressions,
                own.positives,
                _numbers(own.auc, auc_interval(own, report.confidence)),
                _numbers(own.log_loss, log_loss_interval(own, report.confidence)),
                _plain(other),
            )
        )
    return rival_name(report, rival) if rival else "", tuple(rows)


def _plain(metrics: SliceMetrics | None) -> tuple[str, str]:
    values = (None, None) if metrics is None else (metrics.auc, metrics.log_loss)
    auc, log_loss = ("–" if value is None else f"{value:.4f}" for value in values)
    return auc, log_loss


def _numbers(value: float | None, interval: Interval | None) -> tuple[str, str]:
    if value is None:
        return "–", ""
    return f"{value:.4f}", "no interval" if interval is None else f"[{interval[0]:.4f}, {interval[1]:.4f}]"


def data_words(
    validations: Sequence[DayValidation | WindowValidation], days: Days
) -> Iterator[tuple[str, str]]:
    """What to know of the data at first: words and their class."""
    bad = [validation.title for validation in validations if not validation.passed]
    yield ("all suites hold" if not bad else f"{', '.join(bad)} failed"), "bad" if bad else "good"
    newest = [v for v in validations if isinstance(v, DayValidation) and v.day == days.held_out.day]
    if warnings := sum(len(validation.warnings) for validation in newest):
        yield f"{warnings} warning{'s' if warnings > 1 else ''} on the held-out day", "held"
    usual = sum(shard.candidates for shard in days.window) / len(days.window)
    if not usual:
        return
    change = days.held_out.candidates / usual - 1.0
    share = minus(f"{change:+.0%}")
    words = f"{days.held_out.candidates:,} rows on the held-out day, {share} against the window's daily mean"
    yield words, "held" if abs(change) > _THIN else ""
    thin = min(days.window, key=lambda shard: shard.candidates)
    if thin.candidates < (1.0 - _THIN) * usual:
        share = minus(f"{thin.candidates / usual - 1.0:+.0%}")
        yield f"thinnest training day: {thin.day}, {share}", "held"


def noted(verdict: Verdict, since: Since | None) -> Iterator[str]:
    """What a reader must know before the answers: what differs from the champion's run, and what was not judged."""
    if since is not None:
        yield from filter(None, (since.made_words, since.other_data.partition(":")[0]))
    gates = [gate for gate in verdict.gates if gate.name in RIVALS and gate.applicable]
    slices = {finding.slice for gate in gates for finding in gate.slices if not finding.judged}
    if slices:
        yield f"{len(slices)} slice{'s' if len(slices) > 1 else ''} not judged, too little data"
