import shutil
from pathlib import Path

import pytest

from benchmarks.overhead import main
from tests.flows.runs import AS_OF, TINY, Run


def test_flow_and_plain_functions_do_the_same_work(
    first_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On artifacts that are there already, so that both only look; the flow reports to the tests' server."""
    for name in ("warm", "plain", "flow"):
        shutil.copytree(first_run.artifacts, tmp_path / name)
    command = [
        "--as-of",
        str(AS_OF),
        "--preset",
        TINY,
        "--logs",
        str(first_run.logs),
        "--keep",
        str(tmp_path),
    ]
    assert main([*command, "--output", str(tmp_path / "table.md")]) == 0
    table = (tmp_path / "table.md").read_text()
    assert table.strip() in capsys.readouterr().out
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["from nothing", "everything there"]
    for _, plain, flow, added, _ in rows:
        assert abs(float(flow) - float(plain) - float(added)) < 0.11
