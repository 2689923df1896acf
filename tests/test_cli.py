"""The command line, as a user types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

import mtmd
from mtmd.cli import all_commands, main
from mtmd.config import preset_names
from mtmd.logs.source import LogSource
from mtmd.store.files import read_json
from tests.flows.runs import TINY, Run, copied


def test_help_lists_each_command_in_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out.partition("\nStart:\n")[2]
    assert [line for line in said.splitlines() if line.endswith(":")] == [
        "Every day:",
        "Look:",
        "Serve:",
        "Rarely:",
    ]
    assert "..." not in said  # no summary is cut off
    listed = [line.split()[0] for line in said.splitlines() if line.startswith("  ")]
    assert sorted(listed) == sorted(get_command(all_commands).commands)  # type: ignore[attr-defined]


def test_simulate_writes_the_days_up_to_until_and_skips_those_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = tmp_path / "logs"
    command = ["simulate", "--until", "2026-01-02", "--days", "2", "--logs", str(logs)]
    assert main(command) == 0
    assert f"logs 2026-01-01 to 2026-01-02 are in {logs}" in capsys.readouterr().out
    assert [str(day) for day in LogSource(str(logs)).available_days()] == ["2026-01-01", "2026-01-02"]
    before = {path: path.stat().st_mtime_ns for path in logs.rglob("*.parquet")}
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in logs.rglob("*.parquet")} == before


def test_rollback_reinstate_and_publish_say_what_is_live(
    next_day: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset, artifacts = tmp_path / "tiny.toml", copied(next_day.artifacts, tmp_path / "artifacts")
    preset.write_text('base = "tiny"\nname = "tiny"\n[publication]\nint8 = true\n')
    places = ["--preset", str(preset), "--artifacts", str(artifacts)]
    bad, logs = next_day.summary.model_id, ["--logs", str(next_day.logs)]
    assert main(["rollback", "--reason", "bad conversions", "--model", bad, *logs, *places]) == 0
    flipped, published = capsys.readouterr().out.splitlines()
    assert flipped.startswith(f"{bad} was taken down; 20260121-")
    assert flipped.endswith("; its published ads are those of 2026-01-21")
    assert " ads of 2026-01-23 are published for 20260121-" in published
    assert "as_of 2026-01-21</dd>" in (tmp_path / "artifacts" / "tiny" / "index.html").read_text()
    assert main(["reinstate", bad, "--reason", "it was the logs", *places]) == 0
    assert f"{bad} may be promoted again by a run of its day; 20260121-" in capsys.readouterr().out
    assert main(["publish", "--day", "2026-01-22", "--model", bad, *logs, *places]) == 0
    said = capsys.readouterr().out
    assert f"ads of 2026-01-22 are published for {bad}: " in said
    assert "artifacts/tiny/ads/20260122-" in said
    assert sum("int8" in path.read_text() for path in artifacts.rglob("ads.json")) == 2


def test_a_rollback_stands_when_its_ads_stay_what_they_were(
    next_day: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has happened, so the status is 0: another one would go back further."""
    for name, options, warned in (
        ("gone", ["--logs", str(tmp_path / "gone")], True),
        ("kept", ["--keep-ads", "--logs", str(next_day.logs)], False),
    ):
        artifacts = copied(next_day.artifacts, tmp_path / name)
        places = ["--preset", TINY, "--artifacts", str(artifacts)]
        assert main(["rollback", "--reason", "bad conversions", *options, *places]) == 0
        said = capsys.readouterr()
        assert said.out.endswith("; its published ads are those of 2026-01-21\n")
        assert said.err.startswith("warning: the newest day's ads are not published: ") is warned
        (model,) = (artifacts / "tiny" / "ads").glob("20260121-*")
        assert read_json(model / "current.json")["day"] == "2026-01-21"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["rollback", "--reason", "bad"], "no model is live, so there is nothing to roll back; run a day"),
        (["reinstate", "20260121-0", "--reason", "good"], "'20260121-0' is not rolled back; these are: []"),
        (
            ["status", "--preset", "dmeo"],
            f"preset 'dmeo' not found; use one of {list(preset_names())} or a path",
        ),
    ],
)
def test_what_cannot_be_is_an_error_in_words(
    command: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--artifacts", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert words in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulate", "--until", "2026-02-30"], "for '--until': '2026-02-30' must be a day, YYYY-MM-DD"),
        (["simulate"], "Missing option '--until'"),
        (["rollback"], "Missing option '--reason'"),
        (["stauts"], "No such command 'stauts'. Did you mean 'status'?"),
        ([], "Usage: mtmd [OPTIONS] COMMAND"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def _completed(words: str, folder: Path) -> list[str]:
    """What bash is offered after these words."""
    asked = {"_MTMD_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    asked["PYTHONPATH"] = str(Path(mtmd.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "mtmd.cli"], env=os.environ | asked, cwd=folder,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def test_a_shell_completes_commands_options_and_presets(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").touch()
    assert _completed("mtmd re", tmp_path) == ["reinstate"]
    assert _completed("mtmd status --pre", tmp_path) == ["--preset"]
    assert _completed("mtmd status --preset ", tmp_path) == [*preset_names(), "mine.toml"]
    assert _completed("mtmd run --win", tmp_path) == ["--window-days"]
