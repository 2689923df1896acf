"""A line of two decided days, written by hand, whose preset mirrors to MLflow."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Preset, load_preset
from mtmd.config.preset_files import PRESETS
from mtmd.extras.mirrors.mlflow_values import Told
from mtmd.store.files import read_json, write_json, write_text
from mtmd.store.workspace import Workspace
from tests.inspect.conftest import FIRST, SECOND, Line, build, metrics

__all__ = ["build"]

KEPT, LIVE = "b1", "a1"


@dataclass(frozen=True)
class Mirrored:
    """The line, its preset's file, and the directories of its runs, the oldest first."""

    line: Line
    file: str
    runs: tuple[Path, Path]

    @property
    def preset(self) -> Preset:
        return self.line.preset

    @property
    def workspace(self) -> Workspace:
        return self.line.workspace

    @property
    def artifacts(self) -> str:
        return str(self.workspace.root.parent)

    def told(self, number: int) -> Told:
        """A run's records, as MLflow is told of them."""
        path = self.runs[number]
        summary = read_json(path / "summary.json")
        manifest = self.line.registry.manifest(summary["model_id"])
        return Told(path.name, summary, read_json(path / "origin.json"), manifest)


@pytest.fixture
def mirrored(tmp_path: Path, build: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Mirrored:
    """`a1`, the champion, of the first day; `b1`, which was kept, of the next day; the environment says no address."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    file = mirrored_preset(tmp_path)
    preset = load_preset(file)
    line = Line(Workspace.of(str(tmp_path / "artifacts"), preset), preset, build)
    first = _decided(line, LIVE, FIRST)
    line.registry.promote(LIVE, FIRST, "all gates passed", 0)
    return Mirrored(line, file, (first, _decided(line, KEPT, SECOND, failed=("champion",))))


def mirrored_preset(folder: Path) -> str:
    """The file of the tiny preset with a mirror."""
    file = folder / "mirrored.toml"
    chosen = "[extras.mirrors]\nmlflow = true\nseconds = 30\n"
    write_text(file, f'base = "{PRESETS / "tiny.toml"}"\nname = "tiny"\n{chosen}')
    return str(file)


def _decided(line: Line, model_id: str, day: date, **decided: Any) -> Path:
    """A model, and a run that decided about it, with figures and a page."""
    report = metrics(day, 0.4)
    line.model(model_id, day, report)
    path = line.decide(model_id, day, preset=line.preset.model_dump(mode="json"), **decided)
    stat = (path / "summary.json").stat()
    pair = {"reference": "champion", "surface": "all", "product": "all", "task": "ctr", "bucket": None}
    told = report.model_dump(mode="json") | {"comparisons": [pair | {"log_ratio": -0.1}]}
    write_json(path / "summary.json", read_json(path / "summary.json") | {"report": told, "champion": LIVE})
    os.utime(path / "summary.json", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    write_text(path / "report.html", "<!doctype html><title>a run</title>")
    return path
