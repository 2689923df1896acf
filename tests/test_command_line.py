"""How commands are read and how they end."""

import errno
import inspect
import os
import re
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Annotated

import pytest
import typer
from rich.console import Console

from mtmd.command_line import Lazy, Stages, app, literal, only_command, run
from mtmd.errors import LogsError

ROOT = Path(__file__).parents[1]
PRODUCT = {
    path: path.read_text()
    for name in ("mtmd", "flows", "expectations")
    for path in (ROOT / name).rglob("*.py")
}
commands = app("What they do.")


@commands.command()
def end(how: Annotated[str, typer.Argument()]) -> None:
    """End in one way."""
    if how == "error":
        raise LogsError("logs [x] lack a day")
    if how == "sign":
        raise LogsError("✗")
    if how == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/[a]")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "fault":
        raise ValueError("of ours")
    raise typer.Exit(int(how))


@commands.command(cls=Lazy, help="Found when it is used.")
def late() -> typer.Typer:
    def give(*, size: Annotated[int, typer.Option()]) -> None:
        raise typer.Exit(size)

    return only_command(give, list(inspect.signature(give).parameters.values()), "All of it.")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["end", "0"], 0, ""),
        (["end", "3"], 3, ""),
        (["end", "error"], 1, "error: logs [x] lack a day\n"),
        (["end", "full"], 1, "error: /disk/[a]: No space left on device; mend it, then run again\n"),
        (["end", "interrupt"], 130, ""),
        (["end", "0", "more"], 2, "Got unexpected extra argument"),
        (["late", "--size", "4"], 4, ""),
        (["late", "--size", "x"], 2, "Invalid value for '--size'"),
    ],
)
def test_a_command_ends_with_its_status(
    arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(commands, "name", arguments) == status
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_a_sign_that_a_stream_cannot_write_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", stream := TextIOWrapper(BytesIO(), "ascii"))
    assert run(commands, "name", ["end", "sign"]) == 1
    stream.seek(0)
    assert stream.read() == "error: ?\n"


def test_a_fault_of_ours_keeps_its_trace() -> None:
    with pytest.raises(ValueError, match="of ours"):
        run(commands, "name", ["end", "fault"])


def test_the_help_of_a_late_command_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(commands, "name", ["--help"]) == 0
    assert "late  Found when it is used." in capsys.readouterr().out
    assert run(commands, "name", ["late", "-h"]) == 0
    said = capsys.readouterr().out
    assert "Usage: name late [OPTIONS]" in said
    assert "All of it." in said


def test_text_of_others_can_change_neither_the_markup_nor_the_terminal() -> None:
    terminal = Console(file=(shown := StringIO()), soft_wrap=True, force_terminal=True, highlight=False)
    terminal.print(literal("[bold]x[/] \x1b[2J\x1b]0;title\x07 \u202egnp.exe é — ☃\nnext"))
    assert shown.getvalue() == "[bold]x[/] \\x1b[2J\\x1b]0;title\\x07 \\u202egnp.exe é — ☃\nnext\n"


def test_all_texts_that_are_printed_are_made_literal() -> None:
    """rich's `escape` lets escape sequences through, as does printing without markup: JSON and TOML need neither."""
    assert [path.name for path, text in PRODUCT.items() if "rich.markup" in text] == ["command_line.py"]
    unmarked = [line for text in PRODUCT.values() for line in text.splitlines() if "markup=False" in line]
    assert unmarked
    assert [line for line in unmarked if "json" not in line and "as_toml" not in line] == []


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def _said(to: StringIO, monkeypatch: pytest.MonkeyPatch, days: int) -> str:
    """What is said of a stage with half a minute for each day, and of those before and after it."""
    now = [0.0]
    monkeypatch.setattr("mtmd.command_line.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setenv("TERM", "xterm")
    stages = Stages(Console(file=to, width=30, soft_wrap=True, highlight=False))
    stages.begin("before")
    with stages.shown("starting"):
        stages.total = 2
        stages.begin("logs of a [b]")
        for day in range(1, days + 1):
            now[0] += 30
            stages.days(day, days)
        stages.begin("training")
        stages.begin("further")
    stages.begin("after")
    return to.getvalue()


def test_a_stage_is_a_line_and_what_is_left_of_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _said(StringIO(), monkeypatch, 6).splitlines() == [
        "starting",
        "1 of 2 · logs of a [b]",
        "1 of 2 · logs of a [b] · day 2 of 6 · about 2 min left",
        "1 of 2 · logs of a [b] · day 4 of 6 · about 60 s left",
        "1 of 2 · logs of a [b] · day 6 of 6",
        "2 of 2 · training",
        "further",
    ]
    assert len(_said(StringIO(), monkeypatch, 1200).splitlines()) < 60  # ten hours


def test_a_terminal_keeps_how_long_a_stage_took(monkeypatch: pytest.MonkeyPatch) -> None:
    said = _said(_Terminal(), monkeypatch, 6)
    lines = [line for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", said).splitlines() if line]
    for line in ("starting · 0 s", "1 of 2 · logs of a [b] · 3 min", "further · 0 s"):
        assert any(one.endswith(line) for one in lines), (line, lines)
    assert "1 of 2 · logs of a [b] · 0 s…" in said
    assert said.index("\x1b[?25l") < said.index("\x1b[?25h")


def test_stages_side_by_side_have_a_line_each_below_none_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    to, both = _Terminal(), Barrier(2)
    monkeypatch.setenv("TERM", "xterm")
    stages = Stages(Console(file=to, width=60, highlight=False))

    def train(name: str) -> None:
        with stages.stage(f"training {name}"):
            both.wait(60)
            stages.at("epoch 1 of 2", 1, 2)
            both.wait(60)

    with stages.shown("starting"), ThreadPoolExecutor(2) as pool:
        stages.total = 3
        stages.begin("extracting")
        assert [*pool.map(train, "ab")] == [None, None]
        stages.begin("evaluating")
    frames = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", to.getvalue()).replace("\r", "")
    assert re.search(r"2 of 3 · training . · 0 s so far\n3 of 3 · training . · 0 s so far", frames)
    assert frames.index("1 of 3 · extracting · 0 s\n") < frames.index("2 of 3")
    assert frames.rindex("training") < frames.index("evaluating")
