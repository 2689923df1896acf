"""A line of models whose records are written by hand: what is asked reads files, and never runs a model."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from mtmd.config import Preset
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.promote.findings import GateResult, RunSummary, Verdict
from mtmd.registry.records import ModelManifest, RunOrigin
from mtmd.registry.registry import Registry
from mtmd.report.line import RunRecord
from mtmd.store.files import write_json
from mtmd.store.workspace import Workspace
from tests.registry.conftest import build, bundle_of

__all__ = ["build"]

FIRST, SECOND = date(2026, 1, 25), date(2026, 1, 26)
PACKAGES = {"torch": "2.13.0", "python": "3.11.7"}


def metrics(day: date, logmae: float, **changes: Any) -> EvaluationReport:
    """Of one slice of one task, and the task's aggregate."""
    values = {
        "predictor": "mtmd", "surface": "search", "product": "standard", "task": "ctr", "bucket": None,
        "rows": 200, "requests": 20, "logmae": logmae, "kl": 0.1, "mae": 0.1, "bce": 0.1,
        "mean_prediction": 0.03, "mean_teacher": 0.02, "impressions": 50, "positives": 5, "auc": 0.75,
        "log_loss": 0.2, "calibration": 1.1,
    } | changes  # fmt: skip
    slices = (SliceMetrics(**values), SliceMetrics(**values | {"surface": "all", "product": "all"}))
    return EvaluationReport(
        as_of=day, candidate="mtmd", predictors=("mtmd",), buckets=5, metrics=slices, comparisons=(), confidence=0.95
    )  # fmt: skip


@dataclass
class Line:
    """The line, and what writes its records."""

    workspace: Workspace
    preset: Preset
    build: Callable[..., None]
    minute: int = 0

    @property
    def registry(self) -> Registry:
        return Registry(self.workspace.root)

    def model(
        self, model_id: str, day: date, report: EvaluationReport, *, held_out: str = "f" * 64, seed: int = 0
    ) -> None:
        def fill(directory: Path) -> None:
            self.build(directory, model_id)
            write_json(directory / "metrics.json", report.model_dump(mode="json"))

        window = {day - timedelta(days=n): f"{(day - timedelta(days=n)).toordinal():064d}" for n in (3, 2, 1)}
        manifest = ModelManifest(
            model_id=model_id, as_of=day, bundle_id=bundle_of(model_id), window=window, held_out=held_out,
            git_commit="c0ffee", seeds={"training": seed}, packages=PACKAGES,
        )  # fmt: skip
        self.registry.add(fill, manifest)

    def decide(
        self,
        model_id: str,
        day: date,
        *,
        failed: tuple[str, ...] = (),
        refusal: str | None = None,
        logmae: float = 0.5,
        preset: dict[str, Any] | None = None,
        packages: dict[str, str] = PACKAGES,
    ) -> Path:
        """Write a run's records, a minute after those before."""
        run = self.workspace.run(day, f"{self.minute + 1:010d}", "abcdef")
        gates = tuple(
            GateResult(name=name, passed=name not in failed, detail=f"what {name} saw")
            for name in ("champion", "parity")
        )
        verdict = Verdict(candidate=model_id, champion="x", gates=gates, refusal=refusal)
        summary = RunSummary(
            as_of=day, model_id=model_id, promoted=verdict.promoted, words=verdict.words(), champion=model_id,
            verdict=verdict, reused={}, report=metrics(day, logmae), places={"run": str(run)},
        )  # fmt: skip
        if preset is not None:
            made_with = RunOrigin(
                preset=preset, git_commit="c0ffee", packages=packages, window_rows=12_345,
                training_seconds=61.6, sql={},
            )  # fmt: skip
            write_json(run / "origin.json", made_with.model_dump(mode="json"))
        self._write(run / "summary.json", summary)
        return run

    def stop(self, day: date, words: str, verdict: str = "stopped") -> None:
        """Write what a run leaves that ended before it decided."""
        at = f"2026-02-01T04:{self.minute:02d}:00Z"
        record = RunRecord.model_validate({"as_of": day, "at": at, "verdict": verdict, "reason": words})
        self._write(self.workspace.failure(day), record)

    def _write(self, path: Path, record: BaseModel) -> None:
        """A minute after the record before."""
        self.minute += 1
        write_json(path, record.model_dump(mode="json"))
        at = 1_767_225_600 + 60 * self.minute  # 2026-01-01, and a minute for each record
        os.utime(path, (at, at))


@pytest.fixture
def line(tmp_path: Path, tiny_preset: Preset, build: Callable[..., None]) -> Line:
    return Line(Workspace.of(str(tmp_path), tiny_preset), tiny_preset, build)


@pytest.fixture
def two_models(line: Line, tiny_preset: Preset) -> Line:
    """`a1`, the champion, of the first day, and `b1`, which is better, of the next day."""
    line.model("20260125-a1", FIRST, metrics(FIRST, 0.5))
    line.model("20260126-b1", SECOND, metrics(SECOND, 0.4, auc=None), held_out="e" * 64, seed=1)
    line.registry.promote("20260125-a1", FIRST, "all gates passed", 0)
    return line
