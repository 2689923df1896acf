"""`mtmd fit-teacher` and `mtmd import-kuairand`, as a user types them."""

import json
from pathlib import Path

import pytest

from mtmd.cli import main


def test_a_fit_prints_its_report_as_json_and_progress_beside_it(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "taught"
    command = ["fit-teacher", "--preset", "tiny", "--logs", str(tiny_logs), "--output", str(output)]
    command += ["--members", "1", "--last-day", "2026-01-08", "--seed", "3"]
    assert main(command) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["logs"], report["members"]) == (str(output), 1)
    assert (report["days"][-1], report["reused"]) == ("2026-01-08", False)
    assert f"teacher 1 of 1 has scored the days from {report['days'][0]} on" in said.err
    assert main(command) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == report | {"reused": True}
    assert said.err == f"{output} has these logs already: nothing was written\n"
