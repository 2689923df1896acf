from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.retraining import TOLERANCES, main
from tests.benchmarks.cells import cells
from tests.conftest import FIRST_DAY, TINY


def test_every_training_is_held_against_every_other(
    tiny_logs: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_of, output = FIRST_DAY + timedelta(days=3), tmp_path / "table.md"
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(as_of), "--window-days", "3"]
    arguments += ["--seeds", "0", "1", "--artifacts", str(trained), "--output", str(output)]
    assert main(arguments) == 0
    rows = [cells(line) for line in output.read_text().splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == [f"{tolerance:.0%}" for tolerance in TOLERANCES]
    assert {row[1] for row in rows} == {"2"}
    blocked, worse = ([int(row[column]) for row in rows] for column in (2, 4))
    assert blocked == sorted(blocked, reverse=True)
    assert worse == sorted(worse, reverse=True)
    assert all((b == 0) == (w == 0) for b, w in zip(blocked, worse, strict=True))
    assert "seeds differ by up to" in capsys.readouterr().out
