"""A flow's parameters as options of a command, and how a command ends."""

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import httpx
import pytest
from prefect import flow, get_run_logger, task
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import Field
from typer import Typer
from typer.main import get_command

from mtmd import command_line, extension
from mtmd.errors import ConfigError
from mtmd.flows import ablation, daily_retrain
from mtmd.flows.command import command_of
from tests.flows.runs import ROOT

Count = Annotated[int, Field(ge=1, le=9, description="How many, 100 % at most")]
Names = Annotated[list[Annotated[str, Field(min_length=1)]], Field(description="Of what")]


@task
def refuse_b() -> None:
    raise ConfigError("kind (b) can't be")


@flow(name="of-a-test")
def of_a_test(
    count: Count,
    day: date | None = None,
    kind: Literal["a", "b"] = "a",
    names: Names | None = None,
    wanted: bool = True,
) -> str:
    """What it does.

    And more of it.
    """
    if kind == "b":
        refuse_b()
    return f"{count} {day} {kind} {names} {wanted}"


def _given(command: Typer, *arguments: str) -> dict[str, Any]:
    return get_command(command).make_context("command", list(arguments)).params


def test_every_parameter_is_an_option_with_its_type_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    command = command_of(of_a_test, lambda *_: None)
    assert _given(command, "--count", "3", "--day", "2026-01-25", "--names", "x", "--names", "y", "--no-wanted") == {
        "count": 3, "day": date(2026, 1, 25), "kind": "a", "names": ["x", "y"], "wanted": False, "verbose": False,
    }  # fmt: skip
    assert command_line.run(command, "python -m mtmd.flows.of_a_test", ["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Usage: python -m mtmd.flows.of_a_test" in shown
    assert "What it does." in shown
    assert "And more" not in shown
    assert "How many, 100 % at most [required]" in shown


def test_values_out_of_bounds_and_unknown_ones_are_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = command_of(of_a_test, lambda *_: None)
    for count, words in (("0", "greater than or equal to 1"), ("10", "less than or equal to 9")):
        assert command_line.run(command, "command", ["--count", count]) == 1
        assert f"--count ({count}): Input should be {words}; it is: How many" in " ".join(
            capsys.readouterr().err.split()
        )
    for arguments, words in (
        (["--count", "1", "--kind", "c"], "'--kind': Value error, 'c' is not one of 'a', 'b'."),
        (["--count", "1", "--day", "25.1.2026"], "'25.1.2026' must be a day, YYYY-MM-DD"),
        (["--count", "1", "x"], "unexpected extra argument"),
        ([], "Missing option '--count'"),
    ):
        assert command_line.run(command, "command", arguments) == 2
        assert words in capsys.readouterr().err


def test_the_flows_own_options_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = _given(daily_retrain.command, "--no-ablations", "--window-days", "20")
    wanted = {"ablations": False, "promote": True, "window_days": 20, "preset": "demo", "as_of": None}
    assert wanted.items() <= options.items()
    (tmp_path / "preset.toml").touch()
    assert _given(daily_retrain.command)["preset"] == "preset.toml"
    lists = _given(ablation.command, "--seeds", "1", "--seeds", "2", "--names", "a")
    assert (lists["seeds"], lists["names"]) == ([1, 2], ["a"])


def test_a_wrong_preset_is_refused_before_a_server_is_started(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run(daily_retrain.command, "command", ["--preset", "dmeo"]) == 1
    said = capsys.readouterr()
    assert "error: preset 'dmeo' not found; use one of" in said.err
    assert "server" not in said.out + said.err


@pytest.mark.parametrize("module", [daily_retrain, ablation])
def test_a_day_that_the_logs_lack_is_refused_before_a_server_is_started(
    module: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        arguments = ["--preset", "tiny", "--as-of", "2062-01-25"]
        assert command_line.run(module.command, "command", arguments) == 1
    said = capsys.readouterr()
    assert said.err.startswith(
        "error: logs 'logs/tiny' lack 21 of the 21 days from 2062-01-05 to as_of 2062-01-25"
    )
    assert "server" not in said.out + said.err
    if extension.module("check", "commands"):
        assert said.err.endswith("What mends it: mtmd check --as-of 2062-01-25 --preset tiny\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "and the newest day of all three tables is 2026-01-23; deliver yesterday, or say --newest"),
        (["--newest", "--window-days", "30"], "days from 2025-12-24 to as_of 2026-01-23"),
        (["--newest", "--as-of", "2026-01-22"], "--newest and --as-of 2026-01-22 name two days"),
    ],
)
def test_without_a_day_a_run_takes_yesterday_and_the_newest_one_when_told(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    places = ["--preset", "tiny", "--logs", str(tiny_logs), "--artifacts", str(tmp_path)]
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert command_line.run(daily_retrain.command, "command", [*places, *arguments]) == 1
    assert words in capsys.readouterr().err


def test_a_server_is_not_asked_before_it_is_known_which_day_is_meant(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--preset", "tiny", "--logs", str(tiny_logs), "--artifacts", str(tmp_path)]
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):  # nothing listens there
        assert command_line.run(daily_retrain.command, "command", places) == 1
        assert "the newest day of all three tables is 2026-01-23; deliver" in capsys.readouterr().err
        assert command_line.run(daily_retrain.command, "command", [*places, "--newest"]) == 1
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:42x0/api"}):
        assert command_line.run(daily_retrain.command, "command", [*places, "--newest"]) == 1
    assert capsys.readouterr().err.count("does not answer as it should") == 2


def test_what_a_person_can_mend_is_an_error_without_a_trace(
    prefect_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def show(said: str, given: Mapping[str, Any]) -> None:
        shown.append(f"{said} of {given['count']}")

    def run(*arguments: str) -> int:
        return command_line.run(command_of(of_a_test, show), "command", arguments)

    assert run("--count", "2") == 0
    assert shown == ["2 None a None True of 2"]
    assert run("--count", "2", "--kind", "b") == 1
    assert capsys.readouterr().err.splitlines()[-2:] == [
        f"asking {prefect_server}",
        "error: kind (b) can't be",
    ]
    assert run("--count", "2", "--names", "") == 1
    assert "String should have at least 1 character" in capsys.readouterr().err


def test_warnings_are_shown_and_what_else_is_in_the_log_when_told(
    prefect_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow(name="of-a-test")
    def warn() -> None:
        get_run_logger().info("in detail")
        logging.getLogger("mtmd.of.a.test").warning("[this] of ours")

    command, root = command_of(warn, lambda *_: None), logging.getLogger()
    before = list(root.handlers)
    assert command_line.run(command, "command", []) == 0
    asking, warned = capsys.readouterr().err.splitlines()
    assert asking == f"asking {prefect_server}"
    assert warned.endswith(" | WARNING | mtmd.of.a.test - [this] of ours")
    assert root.handlers == before
    assert command_line.run(command, "command", ["--verbose"]) == 0
    assert "asking" not in capsys.readouterr().err


@pytest.mark.slow
def test_the_error_of_a_run_with_a_server_of_its_own_is_the_last_thing_that_is_said(
    new_prefect_home: Callable[[Path], Path], tmp_path: Path
) -> None:
    """The temporary server says nothing as it ends, and has written down what became of the run."""
    said, home = tmp_path / "said.txt", new_prefect_home(tmp_path / "prefect")
    script = (
        "from tests.flows.test_command import *; sys.exit(command_line.run(command_of(of_a_test, print), ''))"
    )
    without = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with said.open("wb") as file:  # the server writes to it too
        done = subprocess.run(
            [sys.executable, "-c", script, "--count=1", "--kind=b", "--verbose"],
            stdout=file, stderr=file, cwd=ROOT, check=False,
            env=without | {"PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT),
                           "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "500"},
        )  # fmt: skip
    lines = said.read_text().splitlines()
    assert not [line for line in lines if "Traceback" in line]
    assert done.returncode == 1
    assert lines[-1] == "error: kind (b) can't be"
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        assert database.execute("select state_type from flow_run").fetchall() == [("FAILED",)]


def test_a_server_that_goes_away_during_a_run_is_named(
    prefect_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow(name="of-a-test")
    def cut_off() -> None:
        """As Prefect ends a run whose state it can't report."""
        raise httpx.ConnectError("Connection refused")

    assert command_line.run(command_of(cut_off, lambda *_: None), "python -m mtmd.flows.of_a_test", []) == 1
    said = capsys.readouterr().err
    assert f"error: the Prefect server at PREFECT_API_URL ({prefect_server}) does not answer" in said
    assert "The same command goes on where it was" in said
