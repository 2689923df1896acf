from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.seeds import main
from tests.benchmarks.cells import cells
from tests.conftest import FIRST_DAY, TINY

SURFACES = {"home_feed", "search", "related_pin"}


def test_it_compares_every_slice_over_the_seeds(
    tiny_logs: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_of = FIRST_DAY + timedelta(days=3)
    output = tmp_path / "table.md"
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(as_of), "--window-days", "3"]
    arguments += ["--seeds", "0", "1", "--artifacts", str(trained), "--output", str(output)]
    assert main(arguments) == 0
    found = [cells(line) for line in output.read_text().splitlines() if line.startswith("|")]
    rows = {tuple(row[:3]): row[3:] for row in found}
    assert len([key for key in rows if key[0] in SURFACES]) == 15
    _, mtmd, per_slice, pooled, constant, gain, _ = rows["all", "all", "ctr"]
    assert min(float(value) for value in (mtmd, per_slice, pooled, constant)) > 0.1
    mean, low, high = numbers(gain)
    assert low <= mean <= high
    assert mean == pytest.approx(100 * (1 - float(mtmd) / float(per_slice)), abs=1.0)
    of_rivals = [row for row in found if row[0] in {"per_slice", "pooled"}]
    slices, by_bucket = of_rivals[:2], of_rivals[2:]
    for place, (_, number, ahead, every, chance, behind, *_) in enumerate(slices, start=-2):
        own = [row[place].replace("[", "").split() for key, row in rows.items() if key[0] in SURFACES]
        assert int(number) == int(ahead) + int(behind) == 15
        assert int(ahead) == sum(mean.startswith("+") for mean, *_ in own)
        assert int(every) == sum(low.startswith("+") for _, low, _ in own)
        assert int(chance) <= int(every)
    assert [row[1] for row in by_bucket] == ["ctr", "gctr", "octr", "all tasks"] * 2 * 2  # rivals, tables
    both, spread = ([numbers(row[-1]) for row in part] for part in (by_bucket[:8], by_bucket[8:]))
    assert [own[0] for own in both] == [own[0] for own in spread]
    assert all(low <= mean <= high for mean, low, high in (*both, *spread))
    assert both[0][0] == pytest.approx(mean, abs=0.1)  # ctr, over all rows
    new = [row for row in found if row[0] in {"user_id", "ad_id"}]
    assert new
    assert all(int(row[2]) > 0 and min(map(float, row[3:])) > 0 for row in new)
    assert "seed 1: done" in capsys.readouterr().out


def numbers(cell: str) -> list[float]:
    """Of `9.17% [7.12, 10.98]`."""
    return [float(part) for part in cell.translate(str.maketrans("[],%−", "    -")).split()]
