"""Each command of README and docs is understood by the program that it calls."""

import argparse
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from prefect.cli._app import _app as prefect_cli
from typer.main import get_command

import mtmd.cli
from tests.documented import ROOT, documented_commands
from tests.flows.runs import LINE, Run

_EXTERNAL = {"cd", "cp", "dask", "docker", "export", "kubectl", "mkdir", "pip"}  # no program of this project
_VALUES = {"FOLDER": ".", "FILE": "file"}


class _UnderstoodError(Exception):
    """A benchmark's parser took its arguments, so the benchmark need not run."""


def _words(command: str) -> list[str]:
    """Without the environment's folder and redirections."""
    command = re.sub(r"\s(&&|>).*$", "", command)
    words = shlex.split(command.replace(".venv/bin/", "").replace("…", "x"))
    return [_VALUES.get(word, word) for word in words]


def _understand(words: list[str], stop: Callable[[], None]) -> None:
    """Fail, in whatever way, where the program has no such command or option."""
    match words:
        case ["mtmd", *arguments]:
            _understand_mtmd(arguments)
        case ["python", "-m", module, *arguments]:
            stop()
            _understand_module(module, arguments)
        case ["prefect", *arguments]:
            arguments = [word for word in arguments if word != "--no-prompt"]
            prefect_cli.parse_args(arguments, exit_on_error=False, print_error=False)
        case ["make", *arguments]:
            _understand_make(arguments)
        case [program, *_]:
            assert program in _EXTERNAL


def _understand_mtmd(arguments: Sequence[str]) -> None:
    commands: Any = get_command(mtmd.cli.all_commands)
    name, *options = arguments
    if not name.startswith("-"):
        command = commands.commands[name]
        if options:  # its name alone, in a sentence, may lack what it requires
            command.make_context(name, options)


def _understand_module(module: str, arguments: Sequence[str]) -> None:
    if module.startswith("mtmd.flows."):
        flow: Any = get_command(importlib.import_module(module).command)
        flow.make_context(module, list(arguments))
        return
    place = f"{module}.__main__" if (ROOT / module.replace(".", "/")).is_dir() else module
    with pytest.raises(_UnderstoodError):
        importlib.import_module(place).main(arguments)


def _understand_make(arguments: Sequence[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    variables = {word.partition("=")[0] for word in arguments if "=" in word}
    assert variables <= set(re.findall(r"\$\((\w+)\)", makefile))
    done = subprocess.run(
        ["make", "--dry-run", "-o", ".venv/.ready", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", sorted(documented_commands()))
def test_a_documented_command_is_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = argparse.ArgumentParser.parse_args

    def stop() -> None:
        def parse_args(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> None:
            original(self, args, namespace)
            raise _UnderstoodError

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)

    _understand(_words(command), stop)


@pytest.mark.slow
def test_make_run_retrains_a_day_in_a_copy_of_the_checkout(next_day: Run, tmp_path: Path) -> None:
    """With the logs and trainings of the tests, so that it takes seconds."""
    root = _checkout_in(tmp_path / "checkout")
    shutil.copytree(next_day.logs, root / "logs" / LINE)
    shutil.copytree(next_day.root, root / "artifacts" / LINE)
    (root / "artifacts" / LINE / "champion.json").unlink()
    shutil.rmtree(root / "artifacts" / LINE / "history")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = kept | {
        "PYTHONPATH": str(root),  # the virtual environment knows the checkout that it was made in
        "PREFECT_HOME": str(root / ".prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    command = ["make", "-o", ".venv/.ready", "run", "PRESET=tiny", "AS_OF=2026-01-21"]
    done = subprocess.run(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) <= 60, done.stdout
    stages = [line.split(" · ") for line in lines if " of 9 · " in line]
    assert [number for number, _ in stages] == [f"{number} of 9" for number in range(1, 10)]
    assert [words.split()[0] for _, words in stages] == [
        "validating", "extracting", *["training"] * 3, "evaluating", "exporting", "proving", "deciding",
    ]  # fmt: skip
    verdict = lines.index("## ✓ Promoted")
    assert verdict > lines.index(" · ".join(stages[-1]))
    (page, then) = (line for line in lines[verdict:] if line.startswith(("page: ", "next: ")))
    assert (root / page.removeprefix("page: ")).is_file()
    assert then.startswith("next: "), "after it only the server may say that it stops"


def _checkout_in(target: Path) -> Path:
    """The files that git knows or would add, as they are now, and the repository, for `git describe`."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(target)], check=True)
    list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(list_files, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    (target / ".venv").symlink_to(sys.prefix)
    return target
