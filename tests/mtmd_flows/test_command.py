"""A flow's parameters as options of a command."""

import sys
from argparse import Namespace
from datetime import date
from typing import Annotated, Literal

import pytest
from prefect import flow
from pydantic import Field

from mtmd.errors import ConfigError
from mtmd_flows.ablation import ablation
from mtmd_flows.command import parser_of, run_from_terminal
from mtmd_flows.daily_retrain import daily_retrain

Count = Annotated[int, Field(ge=1, description="How many, 100 % at most")]


@flow(name="of-a-test")
def of_a_test(
    count: Count,
    day: date | None = None,
    kind: Literal["a", "b"] = "a",
    names: list[str] | None = None,
    wanted: bool = True,
) -> str:
    """What it does.

    And more of it.
    """
    if kind == "b":
        raise ConfigError("kind (b) can't be")
    return f"{count} {day} {kind} {names} {wanted}"


def test_every_parameter_is_an_option_with_its_type_and_default() -> None:
    parser = parser_of(of_a_test, "mtmd_flows.of_a_test")
    given = ["--count", "3", "--day", "2026-01-25", "--names", "x", "y", "--no-wanted"]
    assert vars(parser.parse_args(given)) == {
        "count": 3, "day": date(2026, 1, 25), "kind": "a", "names": ["x", "y"], "wanted": False,
    }  # fmt: skip
    shown = parser.format_help()
    assert "usage: python -m mtmd_flows.of_a_test" in shown
    assert "What it does." in shown
    assert "How many, 100 % at most" in shown
    with pytest.raises(SystemExit):
        parser.parse_args(["--kind", "c"])


def test_the_flows_own_options_are_read() -> None:
    options = parser_of(daily_retrain, "mtmd_flows.daily_retrain").parse_args(
        ["--no-ablations", "--window-days", "20"]
    )
    assert (options.ablations, options.promote, options.window_days, options.preset) == (
        False,
        True,
        20,
        "demo",
    )
    assert parser_of(ablation, "mtmd_flows.ablation").parse_args(["--seeds", "1", "2"]).seeds == [1, 2]


def test_what_a_person_can_mend_is_an_error_without_a_trace(
    prefect_server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        return run_from_terminal(
            of_a_test, "mtmd_flows.of_a_test", lambda said, options: shown.append(_with(said, options))
        )

    assert run("--count", "2") == 0
    assert shown == ["2 None a None True of 2"]
    assert run("--count", "2", "--kind", "b") == 1
    assert "error: kind (b) can't be" in capsys.readouterr().err
    assert run("--count", "0") == 1
    assert "greater than or equal to 1" in capsys.readouterr().err


def _with(said: str, options: Namespace) -> str:
    return f"{said} of {options.count}"
