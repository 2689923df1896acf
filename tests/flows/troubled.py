"""A flow that publishes every artifact on a bad day, when people read them: blocked days, failures, breaches.

What a good day's artifacts look like is seen where the flows themselves run.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from prefect import flow

from mtmd.config import RetentionConfig, variants
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.report import EvaluationReport
from mtmd.flows import clean_up, monitor, prefect_artifacts, rollback
from mtmd.jobs.backfill import BackfillPlan, DayOutcome, PlannedDay
from mtmd.jobs.clean_up import plan_clean_up
from mtmd.monitor.health import Finding, MonitorReport, Signal
from mtmd.promote.rollback import Republished, RolledBack
from mtmd.promote.stage import RunSummary
from mtmd.run import RunPlan, plan_run
from mtmd.store.files import write_json
from mtmd.validate.results import DayProfile, DayValidation, ExpectationResult, Status
from mtmd.validate.stage import DataQuality
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run

_WHY = (
    "logs/candidates/date=2026-01-25/candidates.parquet has no column `teacher_ctr` that the contract declares; "
    "write it, or name it in sql/source_candidates.sql. [a](javascript:b) <img src=x onerror=alert(1)> | `b`"
)


@dataclass(frozen=True)
class _Troubled:
    """A line whose newest run was the second day's, and what goes wrong in it."""

    run: Run
    artifacts: Path

    @property
    def plan(self) -> RunPlan:
        return plan_run(NEXT, TINY, logs=str(self.run.logs), artifacts=str(self.artifacts))

    @property
    def report(self) -> EvaluationReport:
        return self.run.summary.report

    def quality(self) -> DataQuality:
        """A day that stops the run, with keys and with an expectation that raised, and one with a warning."""
        samples = tuple(
            {"request_id": f"20260122-related_pin-{n:010d}", "ad_id": "1187", "label_ctr": "2"}
            for n in range(5)
        )
        failed = ExpectationResult(
            table="candidates", name="labels_are_zero_or_one", status=Status.FAILED, unexpected=12_345, samples=samples,
            description="Labels other than 0, 1 and null make the cross-entropy of actions meaningless.",
        )  # fmt: skip
        raised = failed.model_copy(
            update={"status": Status.RAISED, "message": f"Binder Error: {_WHY}", "samples": ()}
        )
        warning = failed.model_copy(update={"severity": "warning", "samples": ()})
        profile = DayProfile(day=AS_OF, domains=(), sides=(), digests={})
        days = (
            DayValidation(day=AS_OF, results=(warning,), profile=profile),
            DayValidation(day=NEXT, results=(failed, raised), profile=profile),
        )
        return DataQuality(days=days, window=None, reused=(AS_OF,), sources=("s", "s"))

    def kept(self) -> RunSummary:
        """The baseline is better in two slices, and rows with new values are worse."""
        summary = self.run.summary
        gates = {gate.name: gate for gate in summary.verdict.gates}
        slices = gates["baseline"].slices
        worse = tuple(
            one.model_copy(update={"decision": "worse", "improvement": -0.031}) for one in slices[:2]
        )
        changed = {
            "passed": False,
            "detail": f"worse in 2 of {len(slices)} slices",
            "slices": (*worse, *slices[2:]),
        }
        gates["baseline"] = gates["baseline"].model_copy(update=changed)
        cold = tuple(one.model_copy(update={"decision": "worse"}) for one in summary.verdict.cold[:3])
        verdict = summary.verdict.model_copy(update={"gates": tuple(gates.values()), "cold": cold})
        # The run's page is beside these artifacts, to which the run's were copied.
        places = {
            name: place.replace(str(self.run.artifacts), str(self.artifacts))
            for name, place in summary.places.items()
        }
        words = (
            f"kept champion {summary.champion} because baseline failed: worse in 2 of {len(slices)} slices"
        )
        return summary.model_copy(
            update={"verdict": verdict, "promoted": False, "words": words, "repeated": True, "places": places}
        )

    def ablated(self) -> Ablation:
        """Each variant as far off as one of the rivals; one was not trained."""
        report = self.report.model_dump(mode="json")
        rivals = sorted({one["reference"] for one in report["comparisons"]})
        for place, name in enumerate(variants()):
            like = rivals[place % len(rivals)]
            for table, key in (("comparisons", "reference"), ("metrics", "predictor")):
                report[table] += [one | {key: name} for one in report[table] if one[key] == like]
        report["predictors"] += variants()
        place = self.artifacts / LINE / "evaluations" / "ablated"
        write_json(place / "report.json", report)
        why = (
            "no_dcn, seed 1: RuntimeError('the loss is not finite in epoch 2, step 311; lower learning_rate')"
        )
        return Ablation(paths=(str(place),), seeds=(0,), trained={}, missing=(why,))

    def monitored(self) -> MonitorReport:
        """Of each signal an ordinary number, a breach, a suspicion, and one with too little data."""
        found = [_finding("freshness", "the champion", 4, 2), _finding("freshness", "logs", 0, 1)]
        for place, where in enumerate(self.report.aggregates + self.report.slices):
            for signal, value in (
                ("logmae", 0.4213),
                ("calibration", 1.034),
                ("auc", 0.6718),
                ("score shift", 0.0312),
            ):
                found.append(_finding(signal, str(where), value, 0.98 * value, place))
        features = [f"user_activity_{n} × related_pin × shopping" for n in range(30)]
        found += [_finding("feature drift", where, 0.3, 0.1, place) for place, where in enumerate(features)]
        return MonitorReport(
            line=LINE,
            day=NEXT,
            champion=self.run.summary.model_id,
            champion_as_of=AS_OF,
            findings=tuple(found),
        )

    def backfill(self) -> tuple[BackfillPlan, list[DayOutcome]]:
        """Six days: blocked, left out, done, failed and two that ran."""
        days = [AS_OF + timedelta(days=n) for n in range(6)]
        planned = (
            *(PlannedDay(as_of=day, status="new", runs=True, validate_days=1, extract_days=21,
                         train=("mtmd", "per_slice", "pooled"), seconds=3720.0) for day in days[:3]),
            PlannedDay(as_of=days[3], status="blocked", runs=False, note=_WHY),
            PlannedDay(as_of=days[4], status="left out", runs=False, note="clicks were not logged from noon on"),
            PlannedDay(as_of=days[5], status="done", runs=False),
        )  # fmt: skip
        errors = {"ctr": 0.3121, "gctr": 0.2977, "octr": 0.4108}
        model = self.run.summary.model_id
        outcomes = [
            DayOutcome(as_of=days[0], state="completed", words="promoted", model_id=model, logmae=errors, gain=0.081),
            DayOutcome(as_of=days[1], state="failed", words=_WHY),
            DayOutcome(as_of=days[2], state="completed", words=self.kept().words, model_id=model, logmae=errors,
                       gain=-0.02, report=self.kept().places["report"]),
            DayOutcome(as_of=days[3], state="blocked", words=_WHY),
            DayOutcome(as_of=days[4], state="left out", words="clicks were not logged from noon on"),
            DayOutcome(as_of=days[5], state="skipped", words="promoted", model_id=model, logmae=errors, gain=0.07),
        ]  # fmt: skip
        return BackfillPlan(first=days[0], last=days[5], reprocess="failed", days=planned), outcomes


def _finding(signal: Signal, where: str, value: float, reference: float, place: int = 0) -> Finding:
    """The first is a breach, the second suspected, the third has too little data, and the others are well."""
    off = f"{where}: {value} against {reference:.4g} at its promotion, beyond doubt"
    words = {0: off, 1: off, 2: "12 requests of 100 that are needed"}.get(place, "")
    return Finding(
        signal=signal, where=where, value=value, reference=reference, judged=place != 2, breach=place == 0,
        suspected=place <= 1, words=words,
    )  # fmt: skip


def publish_every_artifact(run: Run, artifacts: Path) -> None:
    """To the server that this process is told of; `artifacts` are a copy of the run's."""
    # No parameters: Prefect would take the run's state for what it resulted in.
    flow(lambda: _publish(_Troubled(run, artifacts)), name="troubled", persist_result=False)()


def _publish(line: _Troubled) -> None:
    """In the order of a day."""
    plan, workspace, summary = line.plan, line.plan.workspace, line.run.summary
    champion = line.run.registry.champion()
    assert champion is not None

    prefect_artifacts.stopped(NEXT, f"{_WHY}\n{_WHY}", summary.champion)
    prefect_artifacts.data_quality(plan, line.quality())
    kept = line.kept()
    prefect_artifacts.verdict(plan, kept, {"plan": 0.2, "validate": 61.0, "train": 3700.0, "prove": 9.0})
    prefect_artifacts.ablation(plan, line.ablated(), kept.places["report"])
    backfilled, outcomes = line.backfill()
    prefect_artifacts.backfill_plan(backfilled)
    prefect_artifacts.backfill(backfilled, outcomes, str(line.artifacts))

    report = line.monitored()
    for back in range(10):
        day = NEXT - timedelta(days=back)
        record = report.model_copy(update={"day": day}).model_dump(mode="json")
        write_json(workspace.monitoring / f"date={day}.json", record)
    monitor.publish(report, TINY, str(line.artifacts))

    years_later = 4e9
    planned = plan_clean_up(workspace, RetentionConfig(), now_s=years_later)
    clean_up.publish(planned, dry_run=True, allow_large=False)
    done = RolledBack(
        taken_down=summary.model_id,
        champion=champion,
        further=None,
        check="answered for 3 surfaces",
        ads=AS_OF,
    )
    rollback.publish(done, Republished(words=f"the newest day's ads are not published: {_WHY}", failed=True))
