import pytest

from benchmarks.day_cost import measured
from tests.extras.warmstart.conftest import Line, line, warm_line
from tests.flows.runs import AS_OF

__all__ = ["line", "warm_line"]


def test_stages_of_a_full_and_of_a_warm_day_add_up(line: Line) -> None:
    """On artifacts that are there already, so that only a variant is trained."""
    table = measured(line.plan(AS_OF), line.plan(), ["no_dcn"])
    rows = {str(row[0]): row[1:] for row in table.rows}
    stages = [name for name in rows if "day" not in name and "ablations" not in name]
    assert stages[:3] == ["validation and shards", "training, mtmd", "training, per_slice"]
    full, warm = (sum(float(str(rows[name][column])) for name in stages) for column in (0, 1))
    assert float(str(rows["**the day, without ablations**"][0])) == pytest.approx(full, abs=2)
    assert float(str(rows["**the day, without ablations**"][1])) == pytest.approx(warm, abs=2)
    ablations = float(str(rows["ablations (1)"][0]))
    assert ablations > 0.1  # a training
    assert float(str(rows["**the day, with ablations**"][0])) == pytest.approx(full + ablations, abs=3)
