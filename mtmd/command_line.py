"""What all commands share: how they are made with typer, how they end, and options that several of them have."""

import inspect
import io
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import RLock, get_ident
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mtmd.config.preset_files import default_preset, preset_names
from mtmd.errors import MtmdError

# Lines stay whole, so that JSON and paths can be copied; an id such as `ad:x:77` is no emoji.
console = Console(highlight=False, emoji=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
# All but tabs and ends of lines.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_HELP = {"help_option_names": ["--help", "-h"], "max_content_width": 100}
_GROUPS = {
    "Start": ("init", "simulate", "check", "up", "down"),
    "Every day": ("run",),
    "Look": ("status", "runs", "show", "config"),
    "Serve": ("serve", "publish", "rollback", "reinstate"),
}
_LINE_S, _PART = 60.0, 1 / 8  # a line a minute at most; later one for each further eighth of the time


def literal(text: str) -> str:
    """A text for rich that is shown as it is: no markup of rich's, and nothing that a terminal would obey.

    Names and values in logs are somebody else's text: an escape sequence in one could rewrite what is on the screen.
    """
    return escape(_CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text))


@dataclass
class _Stage:
    """A stage that goes on.

    first    steps that were done at the first report, and when that was: what is left is measured from there
    """

    words: str
    began: float
    is_beside: bool
    printed: float = 0.0
    detail: str = ""
    first: tuple[int, float] | None = None
    left_s: float | None = None

    def line(self) -> str:
        left = "" if self.left_s is None else f"about {_lasting(max(1.0, self.left_s))} left"
        return " · ".join(filter(None, (self.words, self.detail, left)))

    def live_line(self, width: int) -> Text:
        so_far = f" · {_lasting(time.monotonic() - self.began)} so far" if self.left_s is None else ""
        line = Text(self.line() + so_far)
        line.truncate(width, overflow="ellipsis")
        return line


class Stages:
    """What a command says while it works: a line for each stage, which a terminal has rewritten in place.

    Elsewhere a line is printed when the stage begins, and again while the stage lasts, ever more rarely. Outside of
    `shown` nothing is said: a worker's runs have their logs. Each thread has a stage of its own.
    """

    def __init__(self, to: Console) -> None:
        self.total = 0  # stages with a number; while it is not known, and beyond it, there are none
        self._to = to
        self._live: Live | None = None
        self._is_shown = False
        self._number = 0
        self._started = 0.0
        self._going_on: dict[int, _Stage] = {}  # by thread, in the order in which they began
        self._lock = RLock()

    def __reduce__(self) -> str:
        """A task that names it goes to a cluster's worker, which has one of its own."""
        return "stages"

    @contextmanager
    def shown(self, words: str) -> Iterator[None]:
        """Say what happens inside of this; it begins with a stage of these words."""
        self.total = self._number = 0
        self._is_shown, self._started = True, time.monotonic()
        if self._to.file.isatty() and not self._to.is_dumb_terminal:
            shape: dict[str, Any] = {"get_renderable": self._live_lines, "refresh_per_second": 2}
            self._live = Live(console=self._to, transient=True, **shape)
            self._live.start()
        try:
            self.begin(words)
            yield
        finally:
            self.end()

    @contextmanager
    def stage(self, words: str) -> Iterator[None]:
        """A stage that ends with this, beside those of other threads that do so too."""
        self.begin(words, is_beside=True)
        try:
            yield
        finally:
            self._end_stage(get_ident())

    def begin(self, words: str, *, is_beside: bool = False) -> None:
        """A stage begins, and the one before it has ended."""
        if self._is_shown:
            with self._lock:
                for thread in [thread for thread, one in self._going_on.items() if not one.is_beside]:
                    self._end_stage(thread)
                self._number += self.total > 0
                number = f"{self._number} of {self.total} · " if 0 < self._number <= self.total else ""
                stage = _Stage(f"{number}{words}", time.monotonic(), is_beside)
                self._going_on[get_ident()] = stage
            self._print(stage) if self._live is None else self._live.refresh()

    def at(self, detail: str, done: int, of: int) -> None:
        """The thread's stage is so far. The time that is left is that of the steps since the first report."""
        if (stage := self._going_on.get(get_ident())) is not None:
            now = time.monotonic()
            first, then = stage.first = stage.first or (done, now)
            stage.detail = detail
            is_measured = first < done < of
            stage.left_s = (of - done) * (now - then) / (done - first) if is_measured else None
            if self._live is None and now - stage.printed >= max(_LINE_S, (now - self._started) * _PART):
                self._print(stage)

    def days(self, done: int, of: int) -> None:
        """So many days of the stage are done."""
        self.at(f"day {done} of {of}", done, of)

    def end(self) -> None:
        """Say no more, and give the terminal back."""
        for thread in list(self._going_on):
            self._end_stage(thread)
        if self._live is not None:
            self._live.stop()
        self._live, self._is_shown = None, False

    def _end_stage(self, thread: int) -> None:
        with self._lock:
            stage = self._going_on.pop(thread, None)
        if self._live is not None and stage is not None:
            self._to.print(literal(f"{stage.words} · {_lasting(time.monotonic() - stage.began)}"))

    def _print(self, stage: _Stage) -> None:
        stage.printed = time.monotonic()
        self._to.print(literal(stage.line()))

    def _live_lines(self) -> Text:
        with self._lock:
            lines = [stage.live_line(self._to.width - 1) for stage in self._going_on.values()]
        return Text("\n").join(lines)


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


stages = Stages(errors)


class Grouped(TyperGroup):
    """Commands that `--help` lists in groups, of when they are needed."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section for each group; commands of no group are in the last one."""
        named = {name for names in _GROUPS.values() for name in names}
        others = {"Rarely": [name for name in self.commands if name not in named]}
        for title, names in (_GROUPS | others).items():
            there = [name for name in names if name in self.commands]
            if not there:  # all of them are of extras that are not here
                continue
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(80)) for name in there])


def app(text: str | None = None, *, completion: bool = False) -> typer.Typer:
    """Commands whose help is plain text and whose errors have no frames around them."""
    return typer.Typer(
        help=text,
        cls=Grouped if completion else None,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=completion,
        no_args_is_help=True,
        context_settings=dict(_HELP),
    )


def only_command(
    function: Callable[..., object], parameters: Sequence[inspect.Parameter], text: str
) -> typer.Typer:
    """One command with these parameters, all options; `function` gets their values by name."""
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    made = app()
    made.command(help=text, context_settings=dict(_HELP))(function)
    return made


class Lazy(TyperCommand):
    """A command whose callback gives the command itself, as an app of its own, when it is used or completed.

    Its options are those of something that takes long to import: a terminal shows that it does.
    """

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself."""
        assert self.callback is not None  # typer makes commands of functions alone
        is_completed = extra.get("resilient_parsing", False)
        with nullcontext() if is_completed else errors.status("loading"):
            command = get_command(self.callback())
        return command.make_context(info_name, args, parent, **extra)


def run(commands: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments say; returns the exit status.

    1 for an error that the user can mend, printed without a traceback; 2 for arguments that are not understood.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # one that can't write our signs
    try:
        get_command(commands)(None if arguments is None else list(arguments), prog_name=name)
    except MtmdError as error:
        errors.print(f"[bold red]error:[/] {literal(str(error))}")
        for note in getattr(error, "__notes__", ()):
            errors.print(literal(note))
        return 1
    except OSError as error:  # such as a full disk, where no error of ours names the path
        place = "" if error.filename is None else f"{error.filename}: "
        errors.print(
            f"[bold red]error:[/] {literal(f'{place}{error.strerror or error}')}; mend it, then run again"
        )
        return 1
    except SystemExit as ended:
        return int(ended.code or 0)
    raise AssertionError("typer ends every command with SystemExit")


def read_day(text: str) -> date:
    """A day of the command line; typer says of which option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} must be a day, YYYY-MM-DD, such as 2026-01-25") from None


def day_option(text: str) -> Any:
    """An option whose value is a day."""
    return typer.Option(parser=read_day, metavar="YYYY-MM-DD", help=text)


def _presets(incomplete: str) -> list[str]:
    """What a shell offers: shipped presets, and files of the folder that is typed."""
    folder, slash, _ = incomplete.rpartition("/")
    files = [f"{folder}{slash}{path.name}" for path in sorted(Path(f"{folder}{slash}").glob("*.toml"))]
    return [name for name in (*preset_names(), *files) if name.startswith(incomplete)]


PresetName = Annotated[
    str,
    typer.Option(
        "--preset",
        default_factory=default_preset,
        show_default="the current folder's preset.toml, or else demo",
        autocompletion=_presets,
        metavar="NAME",
        help="a preset's name, or a path to a .toml",
    ),
]
Artifacts = Annotated[str, typer.Option(metavar="FOLDER", help="where outputs are")]
Logs = Annotated[str | None, typer.Option(metavar="FOLDER", help="where the logs are; default: the preset's")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
