from pathlib import Path

import pytest

from benchmarks.day_cost import main
from tests.mtmd_flows.runs import AS_OF, TINY, Run


def test_a_full_and_a_warm_day_are_costed_stage_by_stage(
    first_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--as-of",
        str(AS_OF),
        "--preset",
        TINY,
        "--logs",
        str(first_run.logs),
        "--window-days",
        "20",
    ]
    assert main([*arguments, "--output", str(tmp_path / "table.md")]) == 0
    text = (tmp_path / "table.md").read_text()
    assert text.strip() in capsys.readouterr().out
    rows = {row[0]: row[1:] for row in (line.strip("| ").split(" | ") for line in text.splitlines()[2:])}
    stages = [name for name in rows if "*" not in name and "ablations" not in name][2:]
    assert stages[:2] == ["validation and shards", "training, mtmd"]
    full, warm = (sum(float(rows[name][column]) for name in stages) for column in (0, 1))
    assert float(rows["**the day, without ablations**"][0]) == pytest.approx(full, abs=1.0)
    assert float(rows["**the day, without ablations**"][1]) == pytest.approx(warm, abs=1.0)
    ablations = float(rows["4 ablations"][0])
    assert float(rows["**the day, with ablations**"][0]) == pytest.approx(full + ablations, abs=1.5)
    assert float(rows["training, mtmd"][1]) < float(rows["training, mtmd"][0])
