from pathlib import Path

import duckdb
import pytest

from benchmarks.extraction import main, plain_copy
from mtmd.logs.source import LogSource


def test_the_reference_copies_every_row_and_column(tiny_logs: Path, tmp_path: Path) -> None:
    day = LogSource(tiny_logs).available_days()[0]
    assert plain_copy(tiny_logs, day, tmp_path) == sum(path.stat().st_size for path in tmp_path.iterdir())
    for table in ("requests", "ads", "candidates"):
        source = [str(path) for path in LogSource(tiny_logs).day_files(table, day)]
        rows = f"from read_parquet({source}, hive_partitioning = false)"
        assert duckdb.sql(f"(from '{tmp_path}/{table}.parquet') except all ({rows})").fetchall() == []
        assert duckdb.sql(f"({rows}) except all (from '{tmp_path}/{table}.parquet')").fetchall() == []


def test_the_table_compares_each_with_a_plain_copy(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "table.md"
    arguments = ["--preset", "tiny", "--logs", str(tiny_logs), "--rounds", "1", "--output", str(output)]
    assert main(arguments) == 0
    assert output.read_text().strip() in capsys.readouterr().out
    rows = [line.strip("|").split("|") for line in output.read_text().splitlines() if "%" in line]
    assert [row[0].strip() for row in rows] == ["plain COPY", "extraction", "validation"]
    copy, *others = (float(row[2]) for row in rows)
    for seconds, row in zip(others, rows[1:], strict=True):  # they are rounded to thousandths
        assert float(row[4].strip().rstrip("%")) == pytest.approx(100 * copy / seconds, rel=0.5, abs=1)
