"""Watch a day before it is trained on: the champion's figures on it, its features, and whether it is there at all."""

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from pathlib import Path

from mtmd.config import Preset, load_preset
from mtmd.errors import LogsError, RegistryError, UnreachableError
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_shard
from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.monitor.day_logs import drift_findings, freshness_findings
from mtmd.monitor.figures import score_findings
from mtmd.monitor.health import Finding, MonitorReport, threshold_finding
from mtmd.monitor.profiles import feature_shifts, profile_features
from mtmd.monitor.sampling import DayFigures, day_figures
from mtmd.registry.incumbent import earlier_champions
from mtmd.registry.records import Champion, ModelManifest
from mtmd.registry.registry import Registry
from mtmd.serve.scorer import Scorer
from mtmd.store.files import read_json
from mtmd.store.outputs import read_record, write_record
from mtmd.store.workspace import Workspace


def monitor(
    day: date, preset: str, *, logs: str | None = None, artifacts: str = "artifacts"
) -> MonitorReport:
    """Score a day with the champion, compare its features with the champion's training days, keep what was found.

    A day whose logs are missing, can't be read or have scores that are no probabilities is a breach, not an error.
    A day that the champion saw is judged by the champion before it. Raises RegistryError where no champion is older
    than the day; what was kept of the day stays.
    """
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    source = LogSource.of(chosen, logs, workspace.spool)
    registry = Registry(workspace.root)
    registry.refresh()
    champion = _champion_before(day, registry)
    findings: list[Finding] = []
    try:
        days = source.available_days()
        newest = max((logged for logged in days if logged <= day), default=None)
        findings += freshness_findings(day, newest, champion.as_of if champion else None, chosen.monitor)
        if champion is not None and day in days:
            source.refresh(day)
            findings += _compared(day, chosen, workspace, source, champion.model_id, days)
    except (LogsError, UnreachableError) as error:
        words = f"the logs of {day} can't be used: {error}"
        findings.append(threshold_finding("freshness", "logs", None, None, off=True, words=words))
    report = MonitorReport(
        line=chosen.name,
        day=day,
        champion=champion.model_id if champion else None,
        champion_as_of=champion.as_of if champion else None,
        findings=tuple(findings),
    )
    write_record(_record(workspace, day), report, seal=True)
    return report


def monitored(preset: str, day: date, *, artifacts: str = "artifacts") -> list[MonitorReport]:
    """The reports of a day and of the days before it, oldest first: as many as the preset's trend has."""
    chosen = load_preset(preset)
    return _kept(Workspace.of(artifacts, chosen), day, chosen.monitor.trend_days + 1)


def _kept(workspace: Workspace, until: date, most: int) -> list[MonitorReport]:
    """The last reports up to a day, and this one's, too; oldest first."""
    found = sorted(workspace.monitoring.glob("date=*.json"))
    paths = [path for path in found if path.stem <= f"date={until.isoformat()}"]
    reports = (read_record(path, MonitorReport) for path in paths[-most:])
    return [report for report in reports if report is not None]


def _record(workspace: Workspace, day: date) -> Path:
    return workspace.monitoring / f"date={day.isoformat()}.json"


def _champion_before(day: date, registry: Registry) -> Champion | ModelManifest | None:
    """The champion, or the newest one before it that is older than the day; None before the first promotion.

    The day's own model has its promotion's figures from the day, and later models were trained on it: such a model
    would be compared with itself.
    """
    champion = registry.champion()
    if champion is None or champion.as_of < day:
        return champion
    earlier = next(earlier_champions(registry, day), None)
    if earlier is None:
        raise RegistryError(
            f"{day} can't be monitored: champion {champion.model_id} (as_of {champion.as_of}) saw the day, and no "
            f"earlier champion is left whose as_of is before it; choose a day after {champion.as_of}. What was found "
            f"of {day} before stays"
        )
    return earlier


def _compared(
    day: date,
    preset: Preset,
    workspace: Workspace,
    source: LogSource,
    model_id: str,
    days: Collection[date],
) -> Iterator[Finding]:
    """The champion's figures against its promotion's, and the day's features against its training days'."""
    registry = Registry(workspace.root)
    scorer = Scorer.load(registry.verify(model_id))
    promotion = EvaluationReport.model_validate(read_json(registry.path(model_id) / "metrics.json"))
    now = _figures(scorer, workspace, source, day)
    earlier = _kept(workspace, day - timedelta(days=1), preset.monitor.trend_days)
    yield from score_findings(now, promotion, earlier, preset.monitor, standing=registry.standing())
    trained = [one for one in registry.manifest(model_id).window if one in days]
    if trained:
        root, profiles = workspace.monitoring / "profiles", {}
        of_day = profile_features(source, day, scorer.info.declarations, root)
        for one in trained:
            try:
                profiles[one] = profile_features(source, one, scorer.info.declarations, root)
            except LogsError as error:
                yield _unusable(one, error)
        shifts = feature_shifts({**profiles, day: of_day}, day) if profiles else ()
        yield from drift_findings(shifts, day, promotion.as_of, earlier, preset.monitor)


def _unusable(trained: date, error: LogsError) -> Finding:
    """A training day of the champion whose logs were damaged since."""
    words = f"the logs of {trained} can't be used, so drift is not told from this training day: {error}"
    return threshold_finding("freshness", f"training day {trained}", None, None, off=True, words=words)


def _figures(scorer: Scorer, workspace: Workspace, source: LogSource, day: date) -> DayFigures:
    """The champion reads the day as its own declarations say; columns that are newer than it are ignored."""
    declarations = scorer.info.declarations
    ref = extract_day(source, day, declarations, workspace.shards, ignore_undeclared=True)
    shard = open_shard(Path(ref.path))
    held_out = HeldOutDay.of(shard, declarations)
    return day_figures(day, declarations, held_out, score_shard(scorer, shard))
