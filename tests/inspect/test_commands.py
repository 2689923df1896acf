"""The commands that read, as a person sees them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.store.files import write_text
from tests.inspect.conftest import FIRST, SECOND, Line, metrics

PRESET = {"name": "tiny", "training": {"seed": 0, "layers": list(range(200))}}


@pytest.fixture
def places(two_models: Line, tmp_path: Path) -> list[str]:
    two_models.decide("20260125-a1", FIRST, preset=PRESET)
    two_models.decide("20260126-b1", SECOND, preset=PRESET | {"training": {"seed": 1}}, failed=("champion",))
    return ["--preset", "tiny", "--artifacts", str(tmp_path)]


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_status_says_who_is_live_and_what_changed(
    places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(capsys, "status", *places)
    assert "## champion 20260125-a1, as_of 2026-01-25\n" in said
    assert "- a rollback goes to: none\n" in said
    assert "| promote | 20260125-a1 | 20260125-a1 |" in " ".join(said.split())
    assert json.loads(_said(capsys, "status", "--json", *places))["champion"]["as_of"] == "2026-01-25"


def test_status_names_the_model_that_each_change_is_of(
    two_models: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rollback is of the model that is taken down, and a reinstatement leaves another one live."""
    two_models.model("b", SECOND, metrics(SECOND, 0.4))
    registry = two_models.registry
    registry.promote("b", SECOND, "better", registry.require_champion().sequence)
    registry.rollback("bad_ | [−0.0%, +3.4%]", check=lambda _: None)
    registry.reinstate("b", "it was the logs")
    said = _said(capsys, "status", "--preset", "tiny", "--artifacts", str(tmp_path))
    rows = [line.split("|") for line in said.splitlines() if line.startswith("| 20")]
    assert [[cell.strip() for cell in row[2:5]] for row in rows[:3]] == [
        ["reinstate", "b", "20260125-a1"],
        ["rollback", "b", "20260125-a1"],
        ["promote", "b", "b"],
    ]
    assert any(line.endswith("| bad_ | [−0.0%, +3.4%]     |") for line in said.splitlines())


def test_status_without_a_champion_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "## no champion\n" in _said(capsys, "status", "--artifacts", str(tmp_path))


def test_runs_lists_them(places: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = _said(capsys, "runs", *places)
    rows = [
        [cell.strip() for cell in line.split("|")] for line in said.splitlines() if line.startswith("| 20")
    ]
    assert [row[2:6] for row in rows] == [
        ["○ kept", "0.5000", "200", "20260126-b1"],
        ["✓ promoted", "0.5000", "200", "20260125-a1"],
    ]
    (run,) = json.loads(_said(capsys, "runs", "-n", "1", "--json", *places))
    assert (run["model_id"], run["reason"]) == ("20260126-b1", "champion: what champion saw")
    assert main(["runs", "-n", "0"]) == 2


def test_show_prints_what_a_model_was_made_from_where_its_report_is_gone(
    places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = " ".join(_said(capsys, "show", "champion", *places).split())
    for words in (
        "20260125-a1 (live) ## The report of its run is gone",
        "| trained on | 2026-01-22 to 2026-01-24 (3 days) |",
        "Metrics of mtmd on 2026-01-25",
        "| search | standard | ctr | mtmd | 200 | 0.5000 |",
    ):
        assert words in said
    assert "(live)" not in _said(capsys, "show", "20260126", *places)
    found = json.loads(_said(capsys, "show", "20260126", "--json", *places))
    assert (found["live"], found["run"][:10]) == (False, "2026-01-26")


def test_show_prints_the_report_of_the_run_as_text(
    two_models: Line, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With what a terminal would obey shown as it is."""
    (run,) = two_models.workspace.root.glob("runs/2026-01-25-*")
    write_text(run / "report.md", "## Promoted\n\n- [red]it[/] \x1b[31m is good\n")
    said = _said(capsys, "show", "champion", *places)
    assert "## Promoted\n" in said
    assert "- [red]it[/] \\x1b[31m is good" in said
    assert "Metrics of mtmd" not in said


@pytest.mark.parametrize("command", ["--help", "config", "status", "runs", "show champion"])
def test_what_only_reads_does_not_wait_for_torch(places: list[str], command: str) -> None:
    heavy = {"torch", "duckdb", "onnx", "onnxruntime", "fastapi", "prefect", "great_expectations"}
    heavy |= {"numpy", "pyarrow"} if command in {"--help", "config", "status"} else set()
    code = f"import sys; from mtmd.cli import main; sys.exit(main(sys.argv[1:]) or bool({heavy} & {{*sys.modules}}))"
    given = [*command.split(), *{"--help": [], "config": places[:2]}.get(command, places)]
    done = subprocess.run([sys.executable, "-c", code, *given], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
