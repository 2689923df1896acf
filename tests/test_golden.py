"""What stored outputs are named by: format numbers that are pinned, and nothing that a comment could change."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mtmd.config import Preset
from tests.flows.runs import ROOT, Run
from tests.golden import NUMBERS, Made, Pinned, golden, moved, read_golden

UNPINNED = {
    "mtmd.extras.abtest.outcome.AB_TEST_FORMAT",  # tests/extras/abtest/test_format.py pins it
    "mtmd.extras.kuairand.adapter.IMPORT_FORMAT",  # no run's output: an import is seconds of work
    "mtmd.extras.kuairand.fit.TEACHER_FORMAT",  # likewise: it writes logs
    "mtmd.registry.records.REGISTRY_FORMAT",  # a line of another number is refused, by test: tests/registry
    "mtmd.extras.tables.readers.SPOOL_FORMAT",  # shards are named by the content of the files, whatever this number is
}

NAMES = """
import sys
from datetime import date
from pathlib import Path
from mtmd.config import load_preset
from mtmd.extract.stage import shard_fingerprint
from mtmd.logs.source import LogSource
from mtmd.monitor.profiles import profile_features
from mtmd.run import plan_run
from mtmd.export.stage import candidate_key, graph_key
from mtmd.evaluate.stage import evaluation_key
from mtmd.train.stage import training_key
from mtmd.validate.stage import day_record, day_sources

preset, logs, root = load_preset("tiny"), sys.argv[1], sys.argv[2]
plan = plan_run(date(2026, 1, 21), "tiny", logs=logs, artifacts=root)
day = plan.days[0]
sources = day_sources(plan, day)
print(shard_fingerprint(LogSource(logs), sources, preset.declarations))
print(day_record(plan, day, sources, 0))
for kind in ("mtmd", "per_slice", "pooled"):
    print(training_key(kind, "window", preset))
print(candidate_key("trained", "day", preset))
print(evaluation_key({"mtmd": "trained"}, "day", None, preset))
print(graph_key(preset))
print(profile_features(LogSource(logs), day, preset.declarations, Path(root) / "profiles"))
"""


def test_each_number_stands_for_what_it_stood_for(
    first_run: Run, tiny_preset: Preset, tmp_path: Path
) -> None:
    found = golden(Made(first_run.logs, first_run.root, tiny_preset, tmp_path))
    assert moved(read_golden(), found) == []


def test_another_output_under_the_same_number_says_which_to_raise() -> None:
    pinned = {"mtmd.a.A_FORMAT": Pinned(number=3, digest="a", close={"mtmd loss 1": 1.0})}
    assert moved(pinned, pinned) == []
    near = {"mtmd.a.A_FORMAT": Pinned(number=3, digest="a", close={"mtmd loss 1": 1.0001})}
    assert moved(pinned, near) == []
    for digest, loss in (("b", 1.0), ("a", 1.01)):
        (words,) = moved(
            pinned, {"mtmd.a.A_FORMAT": Pinned(number=3, digest=digest, close={"mtmd loss 1": loss})}
        )
        assert "mtmd.a.A_FORMAT stands for has changed and its number has not: raise it from 3 to 4" in words
    (words,) = moved(pinned, {"mtmd.a.A_FORMAT": Pinned(number=4, digest="b", close={"mtmd loss 1": 1.0})})
    assert words == "mtmd.a.A_FORMAT is 4 and not pinned yet: run `python -m tests.golden`"


def test_every_format_of_the_code_is_pinned() -> None:
    declared = set()
    for path in (ROOT / "mtmd").rglob("*.py"):
        for line in path.read_text().splitlines():
            if line.split(" = ")[0].endswith("_FORMAT") and line[0].isupper():
                declared.add(
                    f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}.{line.split(' = ')[0]}"
                )
    assert declared - UNPINNED == set(NUMBERS) == set(read_golden())


@pytest.fixture
def commented(tmp_path: Path) -> Path:
    """The code with a comment more in every file."""
    place = tmp_path / "commented"
    for folder in ("flows", "sql", "expectations", "mtmd", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "*.xz")
        shutil.copytree(ROOT / folder, place / folder, symlinks=True, ignore=ignored)
    for mark, pattern in (("# a remark", "*.py"), ("-- a remark", "*.sql")):
        for path in place.rglob(pattern):
            path.write_text(f"{mark}\n{path.read_text()}\n\n{mark}\n")
    return place


def test_a_comment_renames_nothing(commented: Path, tiny_logs: Path, tmp_path: Path) -> None:
    said = []
    for code in (ROOT, commented):
        command = [sys.executable, "-c", NAMES, str(tiny_logs), str(tmp_path / "artifacts")]
        done = subprocess.run(command, cwd=code, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == said[1]
    assert len(set(said[0].splitlines())) == 9
