"""A new kind of feature is one module and its name in `AnyFeature`: it goes from the logs to the served model."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KIND = '''
"""An hour of the day, which the model sees as a point on a circle."""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mtmd.features.feature import Check, Counted, Feature
from mtmd.features.feature import integer


class Clock(Feature):
    """(cos, sin) of the hour; missing where it is null."""

    matrix = "embedding"

    kind: Literal["clock"] = "clock"
    type: Literal["INTEGER"] = "INTEGER"

    @property
    def size(self):
        return 2

    def encode(self, table, hashing):
        hours = pc.fill_null(self.column(table).cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False)
        angle = hours * np.pi / 12
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)

    def hard_rows(self, unseen):
        angle = np.concatenate([[np.nan], np.arange(unseen)])
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)

    @property
    def request_type(self):
        return integer(31)

    def checks(self):
        yield Check("hours_of_a_day", "There is no such hour.", f"({self.quoted} not between 0 and 23)")

    def counts(self):
        yield Counted(self.name, "continuous", self.quoted)
'''
STATIONS = """
import json, sys
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import torch

from mtmd.config import load_preset
from mtmd.export.bundle import export_bundle
from mtmd.export.parity import check_parity
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.extract.batches import day_batches
from mtmd.logs.source import LogSource
from mtmd.model.ranker import build_model
from mtmd.monitor.profiles import profile_features
from mtmd.serve.http.intake import Bodies, parsed
from mtmd.serve.http.intake import Settings
from mtmd.validate.runner import validate_day

logs, root = Path(sys.argv[1]), Path(sys.argv[2])
day, source, preset = date(2026, 1, 3), LogSource(logs), load_preset(str(root / "clock.toml"))
result = validate_day(source, day, preset)
profile = pq.read_table(profile_features(source, day, preset.declarations, root / "profiles")).to_pylist()
shard = open_shard(Path(extract_day(source, day, preset.declarations, root / "shards").path))
model = build_model("mtmd", preset)
for batch in day_batches(shard, preset.declarations, 256):
    model.observe(batch)
model.eval()
(root / "bundle").mkdir()
export_bundle(model, preset, root / "bundle")
parity = check_parity(model, root / "bundle", shard, preset)
rank = Bodies(preset.declarations, Settings()).rank
call = parsed(rank, json.dumps({"requests": [{"surface": "search", "hour": 6}]}).encode())
circle = shard.query.embedding[:, :2]  # the first of its matrix
print(json.dumps({
    "checked": "hours_of_a_day" in result.model_dump_json(),
    "hours": sorted({row["bin"] for row in profile if row["feature"] == "hour"}) != [],
    "on the circle": bool(np.allclose(np.square(circle).sum(axis=1), 1.0)),
    "parity": [parity.passed, parity.detail],
    "request": call["requests"],
}))
"""


@pytest.fixture
def with_clock(tmp_path: Path) -> Path:
    """The code in another place, with one kind more."""
    place = tmp_path / "code"
    for folder in ("flows", "sql", "expectations", "mtmd"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, place / folder, symlinks=True, ignore=ignored)
    (place / "mtmd" / "features" / "clock.py").write_text(KIND)
    registry = place / "mtmd" / "features" / "__init__.py"
    text = registry.read_text().replace(
        "AnyFeature = Annotated[", "from mtmd.features.clock import Clock\n\nAnyFeature = Annotated[Clock | "
    )
    registry.write_text(text)
    tiny = (place / "mtmd" / "config" / "presets" / "tiny.toml").read_text()
    hour = 'name = "hour"\nside = "query"\nkind = "categorical"\ntype = "INTEGER"\nbuckets = 1024\nshallow = true\n'
    assert hour in tiny
    clock = 'name = "hour"\nside = "query"\nkind = "clock"\n'
    (tmp_path / "clock.toml").write_text(tiny.replace(hour, clock))
    return place


def test_a_kind_is_a_module_and_a_line(with_clock: Path, tiny_logs: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STATIONS, str(tiny_logs), str(tmp_path)],
        cwd=with_clock, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"checked": true, "hours": true, "on the circle": true, "parity": [true' in done.stdout
    assert '"request": [{"surface": "search", "hour": 6}]' in done.stdout
