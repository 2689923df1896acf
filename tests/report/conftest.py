"""A run's records without a run: a synthetic held-out day, hand-made trainings, validations and proofs."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from mtmd.config import GatesConfig, Preset, variants
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EvaluationReport
from mtmd.evaluate.stage import Evaluated
from mtmd.export.parity import Proof
from mtmd.export.stage import Proofs
from mtmd.extract.shards import Days, ShardRef
from mtmd.promote.findings import RunSummary, Verdict
from mtmd.promote.gates import GateInputs, apply_gates
from mtmd.promote.stage import DayRun
from mtmd.registry.incumbent import Incumbent
from mtmd.registry.records import ModelManifest, Registered
from mtmd.report.line import RunRecord
from mtmd.report.tables import Table, columns_of
from mtmd.report.view import RunRecords
from mtmd.run import RunPlan
from mtmd.store.files import write_json
from mtmd.train.results import EpochRecord, FitResult
from mtmd.train.stage import Trained
from mtmd.validate.results import DayProfile, DayValidation, ExpectationResult, Severity, Validation
from mtmd.validate.stage import DataQuality

AS_OF = date(2026, 1, 21)
CANDIDATE, CHAMPION = "20260121-aaaa", "20260120-bbbb"
GATES = GatesConfig(min_requests=10)
FRESH = Proof(passed=True, detail="it answered")


@pytest.fixture(scope="session")
def day(tiny_preset: Preset) -> HeldOutDay:
    """80 requests of four rows in each domain; a third is impressed."""
    rng = np.random.default_rng(0)
    domain = np.repeat(np.arange(6), 320)
    exists = tiny_preset.declarations.domains.task_mask[domain]
    teacher = np.where(exists, rng.uniform(0.01, 0.4, exists.shape), np.nan).astype(np.float32)
    impressed = rng.random(len(domain)) < 0.33
    labels = np.where(exists & impressed[:, None], rng.random(exists.shape) < np.nan_to_num(teacher), -1)
    return HeldOutDay(
        teacher=teacher,
        labels=labels.astype(np.int8),
        impressed=impressed,
        domain=domain,
        request=np.repeat(np.arange(480), 4),
    )


def off_by(day: HeldOutDay, error: float | list[float]) -> np.ndarray:
    """Log-probabilities that are too low by `error` in every row, or by task."""
    return np.log(np.nan_to_num(day.teacher, nan=0.5)) - np.asarray(error)


def evaluate(day: HeldOutDay, preset: Preset, **errors: float | list[float]) -> EvaluationReport:
    """Predictors that are all off by a constant: every improvement and its interval is known."""
    predictions = {name: off_by(day, error) for name, error in errors.items()}
    return evaluate_predictors(AS_OF, preset.declarations, day, predictions, preset.evaluation)


def changed(report: EvaluationReport, **fields: object) -> EvaluationReport:
    """The report with other fields; a copy would keep the look-ups of the first."""
    return EvaluationReport.model_validate(
        {name: getattr(report, name) for name in type(report).model_fields} | fields
    )


@pytest.fixture(scope="session")
def report(day: HeldOutDay, tiny_preset: Preset) -> EvaluationReport:
    """MTMD is 50 % better than the baselines and 20 % than pooled, and 25 % worse than the champion."""
    return evaluate(day, tiny_preset, mtmd=0.1, per_slice=0.2, pooled=0.125, constant=1.0, champion=0.08)


@pytest.fixture(scope="session")
def parity() -> Proof:
    return Proof(
        passed=True, detail="query_search.onnx at batch size 7: embeddings differ by 2.5e-07, at most 0.001"
    )


@pytest.fixture(scope="session")
def verdict(report: EvaluationReport, parity: Proof) -> Verdict:
    """The champion gate fails; the others pass."""
    return judged(report, parity)


def judged(report: EvaluationReport, parity: Proof) -> Verdict:
    """Of a candidate whose logs, training and fresh process are as they should be."""
    return apply_gates(
        GateInputs(
            candidate=CANDIDATE,
            champion=CHAMPION,
            data_passed=True,
            training_finite=True,
            evaluation=report,
            parity=parity,
            fresh_process=FRESH,
            gates=GATES,
        )
    )


@pytest.fixture(scope="session")
def fit() -> FitResult:
    epochs = [
        EpochRecord(
            train_loss=1.0 / e, validation_loss=1.5 / e, validation_logmae={}, seconds=1.0, rows=12346
        )
        for e in (1, 2, 3)
    ]
    return FitResult(epochs=tuple(epochs), parameters=1_234_567, precision="float32")


@pytest.fixture(scope="session")
def days() -> Days:
    """20 days of 100 candidates, and the held-out day of 50."""
    return Days.of(
        [
            ShardRef(
                day=AS_OF - timedelta(days=back),
                fingerprint=f"{back:02d}" + "f" * 62,
                path="nowhere",
                requests=10,
                ads=5,
                candidates=100 if back else 50,
                sources="s" * 64,
                reused=True,
            )
            for back in range(20, -1, -1)
        ]
    )


@pytest.fixture(scope="session")
def validations() -> tuple[Validation, ...]:
    """One day with a pass and a warning; the window stops the run."""
    warning = ExpectationResult(
        table="ads", name="ads_change", description="stale ads", severity=Severity.WARNING, unexpected=1234
    )
    results = (ExpectationResult(table="ads", name="rows", description="no rows", unexpected=0), warning)
    raised = ExpectationResult(
        table="window", name="days", description="holes", unexpected=None, message="division by <zero>"
    )
    profile = DayProfile(day=AS_OF, candidates={})
    return (
        DayValidation(title=f"{AS_OF}", day=AS_OF, results=results, profile=profile, compared=0),
        Validation(title=f"window {AS_OF - timedelta(days=20)} … {AS_OF}", results=(raised,)),
    )


@pytest.fixture(scope="session")
def records(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_preset: Preset,
    report: EvaluationReport,
    verdict: Verdict,
    parity: Proof,
    fit: FitResult,
    days: Days,
    validations: tuple[Validation, ...],
) -> RunRecords:
    """Of a run that kept its champion; the champion gate failed in every slice."""
    place = tmp_path_factory.mktemp("evaluation")
    write_json(place / "report.json", report.model_dump(mode="json"))
    plan = RunPlan(
        as_of=AS_OF,
        days=tuple(shard.day for shard in days.window),
        preset=tiny_preset.model_copy(update={"gates": GATES}),
        logs="the logs",
        artifacts="artifacts",
        left_out={AS_OF - timedelta(days=2): "clicks were not logged"},
    )
    run = DayRun(
        plan=plan,
        quality=DataQuality(days=validations[:1], window=validations[1], reused=(), sources=("s",)),
        days=days,
        trained=tuple(
            Trained(kind=kind, seed=7, key=key * 64, path="nowhere", reused=kind == "pooled", fit=fit)
            for kind, key in (("mtmd", "c"), ("per_slice", "d"), ("pooled", "e"))
        ),
        evaluated=Evaluated(key="k", path=str(place), incumbent=Incumbent(model_id=CHAMPION), reused=False),
        exported=Registered(model_id=CANDIDATE, path="nowhere", reused=False),
        proofs=Proofs(parity=parity, fresh_process=FRESH),
    )
    summary = RunSummary(
        as_of=AS_OF,
        model_id=CANDIDATE,
        promoted=False,
        words=verdict.words(),
        champion=CHAMPION,
        verdict=verdict,
        reused={"shards": "20 of 21"},
        report=report,
        places={"report": "artifacts/tiny/runs/a/report.html", "run": "artifacts/tiny/runs/a"},
    )
    manifest = ModelManifest(
        model_id=CANDIDATE,
        as_of=AS_OF,
        bundle_id="b" * 64,
        window={},
        held_out="00" + "f" * 62,
        git_commit="0123abcd",
        seeds={"training": 7},
        packages={"torch": "2.9.1"},
    )
    return RunRecords(run, summary, manifest)


def thirty_runs() -> list[RunRecord]:
    """A month: two days that the suites stopped, four runs that were not promoted."""
    at = datetime(2026, 2, 1, 3, 40, tzinfo=UTC)
    runs = []
    for number in range(30):
        day = AS_OF - timedelta(days=29 - number)
        if number in {7, 19}:
            runs.append(
                RunRecord(as_of=day, at=at, verdict="stopped", reason="2 in data suites: ads has_rows")
            )
            continue
        verdict: Literal["kept", "promoted"] = "kept" if number in {3, 12, 25, 29} else "promoted"
        logmae, model = 0.4 - 0.001 * number, f"model-{number}"
        runs.append(RunRecord(as_of=day, at=at, verdict=verdict, model_id=model, rows=120_000, logmae=logmae))
    return runs


def all_that_a_page_can_show(records: RunRecords, day: HeldOutDay, preset: Preset, place: Path) -> RunRecords:
    """With ablations, whose report is written to `place`, earlier runs, and what changed since the champion."""
    report = evaluate(day, preset, mtmd=0.1, **dict.fromkeys(variants("mtmd"), 0.1234))
    write_json(place / "report.json", report.model_dump(mode="json"))
    ablated = Ablation(paths=(str(place),), seeds=(0,), missing=("post_norm, seed 0: a reason",))
    columns = columns_of("text", ("what", "a", "b"))
    since = Table(title="Since champion x", columns=columns, rows=(("preset.a", "4", "12"),))
    return replace(records, past=thirty_runs(), ablated=ablated, since=since)
