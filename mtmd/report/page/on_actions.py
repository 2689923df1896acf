"""How the candidate does on what users did, beside the champion, task by task."""

from dataclasses import dataclass

from mtmd.evaluate.on_actions import Interval, auc_interval, log_loss_interval
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.report.standing import rival_name

Number = tuple[str, str]  # a number and its interval, in words


@dataclass(frozen=True)
class ActionRow:
    """One task on what users did; the rival is the champion, or else the per-slice baselines."""

    task: str
    impressions: int
    actions: int
    auc: Number
    log_loss: Number
    rival_auc: Number
    rival_log_loss: Number


def action_rows(report: EvaluationReport) -> tuple[str, tuple[ActionRow, ...]]:
    """The rival's name, and a row for each task over its slices."""
    rival = next((name for name in ("champion", "per_slice", "constant") if name in report.predictors), "")
    rows = []
    for where in report.aggregates:
        own = report.get(report.candidate, where)
        other = report.get(rival, where) if rival else None
        numbers = (*_numbers(own, report.confidence), *_numbers(other, report.confidence))
        rows.append(ActionRow(where.task, own.impressions, own.positives, *numbers))
    return rival_name(report, rival) if rival else "", tuple(rows)


def _numbers(metrics: SliceMetrics | None, confidence: float) -> tuple[Number, Number]:
    """AUC and log loss."""
    if metrics is None:
        return _number(None, None), _number(None, None)
    return (
        _number(metrics.auc, auc_interval(metrics, confidence)),
        _number(metrics.log_loss, log_loss_interval(metrics, confidence)),
    )


def _number(value: float | None, interval: Interval | None) -> Number:
    if value is None:
        return "–", ""
    return f"{value:.4f}", "no interval" if interval is None else f"[{interval[0]:.4f}, {interval[1]:.4f}]"
