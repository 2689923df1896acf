"""A line with a record of every kind, written by hand as the stations write them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Preset
from mtmd.registry.records import REGISTRY_FORMAT
from mtmd.report.line import LineRecords
from mtmd.report.past import RunRecord
from mtmd.store.files import read_json, write_json, write_text
from mtmd.store.workspace import Workspace
from tests.inspect.conftest import Line, build

__all__ = ["build"]

FIRST = date(2026, 1, 21)


def day(number: int) -> date:
    """The first day is day 0."""
    return FIRST + timedelta(days=number)


@dataclass
class Records(Line):
    """Writes what the runs of a line leave behind."""

    sequence: int = 0

    @property
    def root(self) -> Path:
        return self.workspace.root

    def run(self, number: int, logmae: float = 0.5, *, page: bool = True, **decided: Any) -> str:
        """A run that decided, with metrics of two tasks; promotes unless a gate failed. Returns its model id."""
        model = f"{day(number):%Y%m%d}-{number:010x}"
        path = self.decide(model, day(number), preset={"name": "tiny"}, **decided)
        summary = read_json(path / "summary.json")
        time = (path / "summary.json").stat().st_mtime_ns
        write_json(path / "summary.json", summary | {"report": _report(logmae), "champion": model})
        os.utime(path / "summary.json", ns=(time, time))
        if page:
            write_text(path / "report.html", "<!doctype html><title>a run</title>")
        if not decided:
            self.change("promote", model, number)
        return model

    def change(self, action: str, model: str, number: int, **fields: Any) -> None:
        """A change of the champion, in the history and in the pointer."""
        self.sequence += 1
        change = {
            "sequence": self.sequence, "action": action, "model_id": model, "as_of": str(day(number)),
            "previous": None, "reason": "all gates passed", "at": "2026-02-01T03:20:00Z",
        } | fields  # fmt: skip
        taken = [fields["previous"]] if action == "rollback" else []
        pointer = {
            "format": REGISTRY_FORMAT, "model_id": model, "as_of": str(day(number)), "sequence": self.sequence,
            "standing": [{"model_id": model, "bundle_id": "0" * 64}], "change": change,
            "taken_down": [{"model_id": one, "bundle_id": "1" * 64} for one in taken],
        }  # fmt: skip
        for name in ("champion.json", f"history/{self.sequence:08d}.json"):
            write_json(self.root / name, pointer)

    def monitor(self, number: int, *breaches: str) -> None:
        """Three findings that are judged, one that is not, and the breaches."""
        quiet = [{"judged": True, "breach": False, "words": ""}] * 3 + [
            {"judged": False, "breach": False, "words": ""}
        ]
        found = [*quiet, *({"judged": True, "breach": True, "words": words} for words in breaches)]
        report = {
            "line": "tiny",
            "day": str(day(number)),
            "champion": "a1",
            "champion_as_of": None,
            "findings": found,
        }
        write_json(self.workspace.monitoring / f"date={day(number)}.json", report)

    def every_kind(self) -> "Records":
        """Days 0 to 7: promoted, rolled back, kept, stopped, failed, missing, missing, left out."""
        self.run(0)
        self.run(1, 0.45)
        self.change("rollback", f"{FIRST:%Y%m%d}-{0:010x}", 0, previous=f"{day(1):%Y%m%d}-{1:010x}")
        self.run(2, 0.4, failed=("champion",))
        self.stop(day(3), "the data suites failed: ads.has_rows")
        failure = {"as_of": str(day(4)), "words": "the logs of the day are missing"}
        write_json(self.root / "failures" / f"as_of={day(4)}.json", failure)
        run = next((self.root / "runs").glob(f"{day(2)}-*"))
        origin = read_json(run / "origin.json")
        left_out = {"left_out": {str(day(7)): "a holiday of the platform"}}
        write_json(run / "origin.json", origin | {"preset": left_out})
        self.monitor(0)
        self.monitor(9, "search × ctr: AUC 0.6", "the champion is old")
        return self


def _report(logmae: float) -> dict[str, Any]:
    """Two tasks over their slices; a slice, a bucket and a rival that the index leaves out."""
    whole = {
        "predictor": "mtmd", "surface": "all", "product": "all", "task": "ctr", "bucket": None, "rows": 200,
        "requests": 20, "logmae": logmae,
    }  # fmt: skip
    others = [whole | one for one in ({"surface": "search"}, {"bucket": 0}, {"predictor": "pooled"})]
    hides = whole | {"task": "hides", "rows": 20, "logmae": None}
    return {"candidate": "mtmd", "metrics": [*others, whole, hides]}


def many_runs(count: int) -> LineRecords:
    """A line of as many days, each with a run of five tasks, and words as long as those of real runs."""
    words = "none of 15 judged slices and 3 judged tasks is shown worse than the champion by more than 1%; smallest"
    runs = [
        RunRecord(
            as_of=day(number), at=datetime(2026, 2, 1, 3, 40, tzinfo=UTC), verdict="kept" if number % 5 else "promoted",
            run=f"{day(number)}-0123456789-{number:06x}", model_id=f"{day(number):%Y%m%d}-0123456789", rows=4_567_890,
            training_seconds=754.3, reason="gate 0", detail=words,
            logmae={f"task_{n}": 0.5123 + n for n in range(5)},
        )
        for number in range(count)
    ]  # fmt: skip
    return LineRecords(name="a-line-of-400-days", records=tuple(runs))


@pytest.fixture
def records(tmp_path: Path, tiny_preset: Preset, build: Callable[..., None]) -> Records:
    """A line without any record yet."""
    return Records(Workspace.of(str(tmp_path / "artifacts"), tiny_preset), tiny_preset, build)
