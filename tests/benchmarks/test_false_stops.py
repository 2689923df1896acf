"""The benchmark of false stops: its tables, and that its faults are the ones it names."""

from pathlib import Path

import pytest

from benchmarks.false_stops import FAULTS, judged, main, simulated, stopped
from mtmd.config import Preset


def test_tables_count_ordinary_days_and_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "table.md"
    arguments = ["--preset", "tiny", "--requests-per-day", "60", "--seeds", "1", "--days", "1"]
    assert main([*arguments, "--faulty-days", "0", "--output", str(output)]) == 0
    text = output.read_text()
    assert text.strip() in capsys.readouterr().out
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    ordinary, faulty = [row for row in cells if row[0] == "60"]
    assert ordinary[2] == "1"
    assert faulty[1:] == ["0 of 0"] * len(FAULTS)


def test_each_fault_is_stopped_where_a_day_is_large_and_an_ordinary_day_is_not(
    tmp_path: Path, tiny_preset: Preset
) -> None:
    data = tiny_preset.data.model_copy(update={"trailing_days": 14})
    platform = simulated(tmp_path, tiny_preset.model_copy(update={"data": data}), 600, 3, days=1)
    assert judged(platform, 1)["stops"] == 0
    caught = stopped(platform, 1)
    faults = [fault.name for fault in FAULTS if not fault.name.startswith("all tasks")]
    assert {name: caught[name] for name in faults} == dict.fromkeys(faults, 1)
