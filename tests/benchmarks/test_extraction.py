import re
from pathlib import Path

import duckdb
import pytest

from benchmarks.extraction import main, plain_copy
from mtmd.logs.files import available_days, day_files

TINY = "tiny"


def test_the_reference_copies_every_row_and_column(tiny_logs: Path, tmp_path: Path) -> None:
    day = available_days(tiny_logs)[0]
    assert plain_copy(tiny_logs, day, tmp_path) == sum(path.stat().st_size for path in tmp_path.iterdir())
    for table in ("requests", "ads", "candidates"):
        source = [str(path) for path in day_files(tiny_logs, table, day)]
        rows = f"from read_parquet({source}, hive_partitioning = false)"
        assert duckdb.sql(f"(from '{tmp_path}/{table}.parquet') except all ({rows})").fetchall() == []
        assert duckdb.sql(f"({rows}) except all (from '{tmp_path}/{table}.parquet')").fetchall() == []


def test_the_table_compares_each_with_its_reference(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "table.md"
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--rounds", "1", "--window-days", "3"]
    arguments += ["--window-requests", "40", "--requests-per-day", "400"]
    assert main([*arguments, "--output", str(output)]) == 0
    text = output.read_text()
    assert text.strip() in capsys.readouterr().out
    day, steps = ([cells(line) for line in part.splitlines()[4:]] for part in text.strip().split("\n\n**"))
    assert [row[0].split(" (")[0] for row in day] == [
        "cold extraction, rows/s",
        "validation",
        "3 days, one of them new",
    ]
    assert [row[-1] for row in day] == ["≥ 80 %", "", "≤ 1/40"]
    (extraction, copy), (validation, alone) = ((float(row[2]), float(row[4])) for row in day[:2])
    assert alone == extraction
    share, part = (int(re.match(r"\d+", row[5])[0]) for row in day[:2])  # type: ignore[index]
    # Seconds are rounded to thousandths.
    assert share == pytest.approx(100 * copy / extraction, rel=0.5)
    assert part == pytest.approx(100 * validation / alone, rel=0.2)
    for column in (1, 2):  # every step is timed, and together they are the whole
        *parts, whole = (int(row[column].replace(",", "")) for row in steps)
        assert sum(parts) == pytest.approx(whole, abs=len(parts))
        assert all(ms > 0 for ms, step in zip(parts, steps, strict=False) if step[0] == "great-expectations")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
