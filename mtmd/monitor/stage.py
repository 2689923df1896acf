"""Watch a day before it is trained on: the champion's figures on it, its features, and whether it is there at all."""

from datetime import date
from pathlib import Path

from mtmd import extension
from mtmd.config import EvaluationConfig, Preset, load_preset
from mtmd.errors import LogsError, RegistryError, UnreachableError
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_shard
from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.monitor import health
from mtmd.monitor.health import Finding, MonitorReport, Watch
from mtmd.monitor.profiles import feature_shifts, profile_features
from mtmd.registry.incumbent import earlier_champions
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.serve.scorer import Scorer
from mtmd.store.files import read_json
from mtmd.store.workspace import Workspace, read_record, write_record

_CONFIG = EvaluationConfig(interval_buckets=0, resamples=100)  # of one predictor there is no comparison


def monitor(
    day: date, preset: str, *, logs: str | None = None, artifacts: str = "artifacts"
) -> MonitorReport:
    """Score a day with the champion, compare its features with the champion's training days, keep what was found.

    A day whose logs are missing, can't be read or have scores that are no probabilities is a breach, not an error.
    A day that the champion saw is judged by the champion before it. Raises RegistryError where no champion is older
    than the day, BundleError where a file of the champion is altered; what was kept of the day stays.
    """
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    source, registry = LogSource.of(chosen, logs, workspace.spool), Registry(workspace.root)
    registry.refresh()
    champion = _champion_before(day, registry)
    as_of, findings, watched = champion.as_of if champion else None, list[Finding](), Watch()
    try:
        days = source.available_days()
        newest = max((logged for logged in days if logged <= day), default=None)
        findings += health.freshness_findings(day, newest, as_of, chosen.monitor)
        if champion is not None and day in days:
            source.refresh(day)
            scorer = Scorer.load(registry.verify(champion.model_id))
            findings += _scored(day, chosen, workspace, source, scorer, registry.path(champion.model_id))
            for extra in extension.modules("watch").values():
                watched = extra.watch(day, chosen, source, workspace, champion)
                findings += watched.findings
            trained = [one for one in champion.window if one in days]
            if trained:
                root, declarations = workspace.monitoring / "profiles", scorer.info.declarations
                profiles = {one: profile_features(source, one, declarations, root) for one in (*trained, day)}
                shifts = feature_shifts(profiles, day)
                findings += health.drift_findings(shifts, day, champion.as_of, chosen.monitor)
    except (LogsError, UnreachableError) as error:
        words = f"the logs can't be used: {error}"
        findings.append(Finding(signal=health.FRESHNESS, where="logs", breach=True, words=words))
    report = MonitorReport(
        line=chosen.name,
        day=day,
        champion=champion.model_id if champion else None,
        champion_as_of=as_of,
        findings=tuple(findings),
        served=watched.served,
        watched=watched.words,
    )
    write_record(workspace.monitoring / f"date={day.isoformat()}.json", report, seal=True)
    return report


def monitored(preset: str, day: date, *, artifacts: str = "artifacts") -> list[MonitorReport]:
    """The reports of a day and of the days before it, oldest first: as many as the preset's trend has."""
    chosen = load_preset(preset)
    paths = sorted(Workspace.of(artifacts, chosen).monitoring.glob("date=*.json"))
    paths = [path for path in paths if path.stem <= f"date={day.isoformat()}"]
    reports = (read_record(path, MonitorReport) for path in paths[-chosen.monitor.trend_days - 1 :])
    return [report for report in reports if report is not None]


def _champion_before(day: date, registry: Registry) -> ModelManifest | None:
    """The newest champion that is older than the day; None before the first promotion.

    The day's own model has its promotion's figures from the day, and later models were trained on it: such a model
    would be compared with itself.
    """
    live = registry.champion()
    if live is None:
        return None
    if live.as_of < day:
        registry.verify(live.model_id)  # not passed over: what answers now would be judged by nobody
        return registry.manifest(live.model_id)
    if (earlier := next(earlier_champions(registry, day), None)) is None:
        raise RegistryError(
            f"{day} can't be monitored: champion {live.model_id} (as_of {live.as_of}) saw the day, and no earlier "
            f"champion is left whose as_of is before it; choose a day after {live.as_of}. What was found of {day} "
            "before stays"
        )
    return earlier


def _scored(
    day: date, preset: Preset, workspace: Workspace, source: LogSource, scorer: Scorer, model: Path
) -> list[Finding]:
    """The champion's figures against its promotion's; columns that are newer than the champion are ignored."""
    declarations = scorer.info.declarations
    promotion = EvaluationReport.model_validate(read_json(model / "metrics.json"))
    ref = extract_day(source, day, declarations, workspace.shards, ignore_undeclared=True)
    shard = open_shard(Path(ref.path))
    scores = {promotion.candidate: score_shard(scorer, shard)}
    now = evaluate_predictors(day, declarations, HeldOutDay.of(shard, declarations), scores, _CONFIG)
    return health.score_findings(now, promotion, preset.monitor)
