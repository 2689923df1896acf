"""Watch a day before it is trained on: the champion's figures on it, its features, and whether it is there at all."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from mtmd.config import Declarations, EvaluationConfig, load_preset
from mtmd.errors import LogsError
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_shard
from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.monitor.health import Finding, MonitorReport, drift_findings, freshness_findings, score_findings
from mtmd.monitor.profiles import FeatureShift, feature_shifts, profile_features
from mtmd.registry.registry import Registry
from mtmd.serve.scorer import Scorer
from mtmd.store.files import read_json, write_json
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace

# Figures alone: there is no rival to compare with.
_FIGURES = EvaluationConfig(interval_buckets=0, resamples=100)


def monitor(
    day: date, preset: str, *, logs: str | None = None, artifacts: str = "artifacts"
) -> MonitorReport:
    """Score a day with the champion, compare its features with the champion's training days, keep what was found.

    A day whose logs are missing, can't be read or have scores that are no probabilities is a breach, not an error.
    """
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    source = LogSource.of(chosen, logs, workspace.spool)
    registry = Registry(workspace.root)
    champion = registry.champion()
    findings: list[Finding] = []
    try:
        days = source.available_days()
        newest = max((logged for logged in days if logged <= day), default=None)
        findings += freshness_findings(day, newest, champion.as_of if champion else None, chosen.monitor)
        if champion is not None and day in days:
            source.refresh(day)
            scorer = Scorer.load(registry.verify(champion.model_id))
            figures = _FIGURES.model_copy(update={"rows": chosen.evaluation.rows})
            now = _evaluated(scorer, workspace, source, day, figures)
            then = read_json(registry.path(champion.model_id) / "metrics.json")
            findings += score_findings(now, EvaluationReport.model_validate(then), chosen.monitor)
            trained = [
                one for one in registry.manifest(champion.model_id).window if one in days and one != day
            ]
            if trained:
                shifts = _shifts(scorer.info.declarations, workspace, source, trained, day)
                findings += drift_findings(shifts, day, chosen.monitor)
    except LogsError as error:
        words = f"the logs of {day} can't be used: {error}"
        findings.append(Finding.of("freshness", "logs", None, None, off=True, words=words))
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


def _evaluated(
    scorer: Scorer, workspace: Workspace, source: LogSource, day: date, config: EvaluationConfig
) -> EvaluationReport:
    """The champion reads the day as its own declarations say; columns that are newer than it are ignored."""
    declarations = scorer.info.declarations
    ref = extract_day(source, day, declarations, workspace.shards, ignore_undeclared=True)
    shard = open_shard(Path(ref.path))
    predictions = {"mtmd": score_shard(scorer, shard)}
    return evaluate_predictors(day, declarations, HeldOutDay.of(shard, declarations), predictions, config)


def _shifts(
    declarations: Declarations, workspace: Workspace, source: LogSource, trained: Sequence[date], day: date
) -> list[FeatureShift]:
    """Against the days that the champion was trained on, as far as their logs are still there."""
    root = workspace.monitoring / "profiles"
    profiles = {one: profile_features(source, one, declarations, root) for one in (*trained, day)}
    return feature_shifts(profiles, day)
