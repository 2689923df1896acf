"""A line with a record of every kind, written by hand as the stations write them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Preset
from mtmd.monitor.health import Finding, MonitorReport
from mtmd.registry.records import REGISTRY_FORMAT
from mtmd.store.files import write_json, write_text
from mtmd.store.workspace import Workspace, write_record
from tests.inspect.conftest import Line, build

__all__ = ["build"]

FIRST = date(2026, 1, 21)


def day(number: int) -> date:
    """The first day is day 0."""
    return FIRST + timedelta(days=number)


def model_of(number: int) -> str:
    return f"{day(number):%Y%m%d}-{number:010x}"


@dataclass
class Records(Line):
    sequence: int = 0

    @property
    def root(self) -> Path:
        return self.workspace.root

    def run(self, number: int, logmae: float = 0.5, *, page: bool = True, **decided: Any) -> str:
        """A run that decided; promotes unless a gate failed. Returns its model id."""
        model = model_of(number)
        path = self.decide(model, day(number), logmae=logmae, **decided)
        if page:
            write_text(path / "report.html", "<!doctype html><title>a run</title>")
        if not decided:
            self.change("promote", model, number)
        return model

    def change(self, action: str, model: str, number: int, **fields: Any) -> None:
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
        """A finding that is no breach, and the breaches."""
        quiet = Finding(signal="auc", where="w")
        found = (quiet, *(Finding(signal="auc", where="w", breach=True, words=words) for words in breaches))
        report = MonitorReport(
            line="tiny", day=day(number), champion="a1", champion_as_of=None, findings=found
        )
        write_record(self.workspace.monitoring / f"date={day(number)}.json", report)

    def every_kind(self) -> "Records":
        """Days 0 to 7: promoted, rolled back, kept, stopped, failed, no run, no run, watched."""
        self.run(0)
        self.run(1, 0.45)
        self.change("rollback", model_of(0), 0, previous=model_of(1))
        self.run(2, 0.4, failed=("champion",))
        self.stop(day(3), "the data suites failed: ads.has_rows")
        self.stop(day(4), "the logs of the day are missing", "failed")
        self.monitor(0)
        self.monitor(7, "search × ctr: AUC 0.6", "the champion is old")
        return self


@pytest.fixture
def records(tmp_path: Path, tiny_preset: Preset, build: Callable[..., None]) -> Records:
    return Records(Workspace.of(str(tmp_path / "artifacts"), tiny_preset), tiny_preset, build)
