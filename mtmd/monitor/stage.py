"""Watch a day before it is trained on: the champion's figures on it, its features, and whether it is there at all."""

from datetime import date
from pathlib import Path

from mtmd.config import EvaluationConfig, Preset, load_preset
from mtmd.errors import LogsError
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_shard
from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.files import available_days
from mtmd.monitor.health import Finding, MonitorReport, drift_findings, freshness_findings, score_findings
from mtmd.monitor.profiles import feature_shifts, profile_features
from mtmd.registry.registry import Registry
from mtmd.serve.scorer import Scorer
from mtmd.store.files import read_json, write_json
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace

_FIGURES = EvaluationConfig(
    interval_buckets=0, resamples=100
)  # figures alone: there is no rival to compare with


def monitor(
    day: date, preset: str, *, logs: str | None = None, artifacts: str = "artifacts"
) -> MonitorReport:
    """Score a day with the champion, compare its features with the champion's training days, keep what was found.

    A day whose logs are missing, can't be read or have scores that are no probabilities is a breach, not an error.
    """
    chosen = load_preset(preset)
    workspace, source = Workspace.of(artifacts, chosen), logs or chosen.logs
    champion = Registry(workspace.root).champion()
    findings: list[Finding] = []
    try:
        days = available_days(source)
        newest = max((one for one in days if one <= day), default=None)
        findings += freshness_findings(day, newest, champion.as_of if champion else None, chosen.monitor)
        if champion is not None and day in days:
            findings += _figures(workspace, chosen, source, day, champion.model_id)
            findings += _drift(workspace, chosen, source, day, champion.model_id)
    except LogsError as error:
        findings.append(_unreadable(day, error))
    report = MonitorReport(
        line=chosen.name,
        day=day,
        champion=champion.model_id if champion else None,
        champion_as_of=champion.as_of if champion else None,
        findings=tuple(findings),
    )
    write_json(_record(workspace, day), report.model_dump(mode="json"))
    return report


def monitored(preset: str, day: date, *, artifacts: str = "artifacts") -> list[MonitorReport]:
    """The reports of a day and of the days before it, oldest first: as many as the preset's trend has."""
    chosen = load_preset(preset)
    found = sorted(Workspace.of(artifacts, chosen).monitoring.glob("date=*.json"))
    until = [path for path in found if path.stem <= f"date={day.isoformat()}"]
    reports = (read_record(path, MonitorReport) for path in until[-chosen.monitor.trend_days - 1 :])
    return [report for report in reports if report is not None]


def _record(workspace: Workspace, day: date) -> Path:
    return workspace.monitoring / f"date={day.isoformat()}.json"


def _figures(workspace: Workspace, preset: Preset, logs: str, day: date, champion: str) -> list[Finding]:
    """The champion reads the day as its own declarations say; columns that are newer than it are ignored."""
    registry = Registry(workspace.root)
    scorer = Scorer.load(registry.verify(champion))
    declarations = scorer.info.declarations
    shard = open_shard(
        Path(extract_day(logs, day, declarations, workspace.shards, ignore_undeclared=True).path)
    )
    predictions = {"mtmd": score_shard(scorer, shard)}
    held_out = HeldOutDay.of(shard, declarations)
    now = evaluate_predictors(day, declarations, held_out, predictions, _FIGURES)
    promotion = EvaluationReport.model_validate(read_json(registry.path(champion) / "metrics.json"))
    return list(score_findings(now, promotion, preset.monitor))


def _drift(workspace: Workspace, preset: Preset, logs: str, day: date, champion: str) -> list[Finding]:
    """Against the days that the champion was trained on, as far as their logs are still there."""
    registry = Registry(workspace.root)
    declarations = Scorer.load(registry.path(champion)).info.declarations
    available = set(available_days(logs))
    days = [one for one in registry.manifest(champion).window if one in available and one != day]
    if not days:
        return []
    root = workspace.monitoring / "profiles"
    profiles = {one: profile_features(logs, one, declarations, root) for one in (*days, day)}
    return list(drift_findings(feature_shifts(profiles, day), day, preset.monitor))


def _unreadable(day: date, error: LogsError) -> Finding:
    return Finding(
        signal="freshness",
        where="logs",
        value=None,
        reference=None,
        judged=True,
        breach=True,
        words=f"the logs of {day} can't be used: {error}",
    )
