import shutil
from pathlib import Path

from benchmarks.overhead import Job, measured
from tests.flows.runs import AS_OF, TINY, Run


def test_flow_and_plain_functions_do_the_same_work(first_run: Run, tmp_path: Path) -> None:
    """On artifacts that are there already, so that both only look."""
    for name in ("plain", "flow"):
        shutil.copytree(first_run.artifacts, tmp_path / name)
    table = measured(Job(AS_OF, TINY, str(first_run.logs)), tmp_path)
    assert [row[0] for row in table.rows] == ["from nothing", "everything there"]
    for _, plain, flow, added, _ in table.rows:
        assert abs(float(str(flow)) - float(str(plain)) - float(str(added))) < 0.11
