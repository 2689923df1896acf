"""The tail of the service's own process, as two clients see it."""

import re
from pathlib import Path

import pytest

from benchmarks.service_tail import Load, Round, main, table
from tests.benchmarks.test_serving import SMALLEST


def test_percentiles_stages_and_waits_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset, output = tmp_path / "smallest.toml", tmp_path / "table.md"
    preset.write_text(SMALLEST)
    small = ["--duration", "0.5", "--repeats", "1", "--published", "300", "--named", "20", "--timeout", "60"]
    assert main(["--preset", str(preset), *small, "--directory", str(tmp_path), "--output", str(output)]) == 0
    text = output.read_text()
    assert "**20 named ads of 300, 2 clients, 0.5 s a round**" in text
    times = [
        float(re.search(rf"\| {name} \| ([\d.]+) ms", text)[1]) for name in ("p50", "p90", "p99", "longest")
    ]
    assert times == sorted(times)
    stages = {name: float(ms) for name, ms in re.findall(r"\| stage (\w+), mean \| ([\d.]+) ms", text)}
    assert {"wait", "parse", "encode", "query_tower", "look_up", "search", "score", "serialise"} <= set(
        stages
    )
    assert 0 < stages["query_tower"] < sum(stages.values()) < 1000
    assert float(re.search(r"processor time, mean of a call \| ([\d.]+) ms", text)[1]) > 0


def test_the_ratio_is_that_of_the_percentiles() -> None:
    seen = Round([0.001] * 98 + [0.004, 0.005], {"parse": 0.0005}, 0.002, 0.003)
    rows = dict(row[:2] for row in table([seen], Load()).rows)
    assert (rows["p50"], rows["p99"], rows["longest"]) == ("1.00 ms", "4.01 ms", "5.00 ms")
    assert rows["p99 / p50 (target: ≤ 3)"] == "4.0"
    assert (rows["stage parse, mean"], rows["without a core, mean of a call"]) == ("0.500 ms", "3.00 ms")
