"""Seams: what an extra's folder and its one line add, and that the core does without."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mtmd import extension
from mtmd.errors import ConfigError, LogsError

ROOT = Path(__file__).parents[1]
SETTINGS = '''
from pydantic import Field

from mtmd.config.base import ExtraSettings


class Settings(ExtraSettings):
    """Of a toy."""

    size: int = Field(3, ge=1, description="of the toy")

    def check(self, preset):
        if self.size > preset.window_days:
            raise ValueError(f"size ({self.size}) must not exceed window_days ({preset.window_days})")
'''
COMMANDS = '''
from mtmd.command_line import app

commands = app()


@commands.command()
def play() -> None:
    """Play with it."""
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code in another place, whose extras can be changed."""
    place = tmp_path_factory.mktemp("copy")
    for folder in ("flows", "sql", "expectations", "mtmd"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, place / folder, symlinks=True, ignore=ignored)
    return place


@pytest.fixture
def with_toy(copy: Path, tmp_path: Path) -> Path:
    place = shutil.copytree(copy, tmp_path / "copy", symlinks=True)
    toy = place / "mtmd" / "extras" / "toy"
    toy.mkdir()
    for name, text in (("__init__", SETTINGS), ("commands", COMMANDS)):
        (toy / f"{name}.py").write_text(text)
    register(place, ["toy", *extension.names()])
    return place


def register(place: Path, names: list[str]) -> None:
    path = place / "mtmd" / "extras" / "__init__.py"
    text, count = re.subn(
        r"^EXTRAS: .*?\)\n", f"EXTRAS = {tuple(names)!r}\n", path.read_text(), flags=re.DOTALL | re.MULTILINE
    )
    assert count == 1
    path.write_text(text)


def python(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": "."},
    )


def test_a_folder_and_a_line_add_settings_and_a_command(with_toy: Path) -> None:
    preset = with_toy / "toys.toml"
    read = "from mtmd.config import load_preset; print(load_preset('toys.toml').extras.toy.size)"
    preset.write_text('base = "tiny"\nname = "toys"\n[extras.toy]\nsize = 5\n')
    assert python(with_toy, "-c", read).stdout == "5\n"
    preset.write_text('base = "tiny"\nname = "toys"\n')
    assert python(with_toy, "-c", read).stdout == "3\n"
    assert "play" in python(with_toy, "-m", "mtmd.cli", "--help").stdout
    alone = "import mtmd.extras.toy as made; print(made.Settings().size)"
    assert python(with_toy, "-c", alone).stdout == "3\n"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[extras.toy]\nsize = 0", "extras.toy.size (0) must be greater than or equal to 1"),
        ("[extras.toy]\nsize = 50", "size (50) must not exceed window_days (20)"),
        ("[extras.toy]\ncolour = 1", "extras.toy.colour: no such key"),
        ("[extras.kite]\nsize = 1", "extras.kite: no such key"),
    ],
)
def test_wrong_settings_of_an_extra_are_named(with_toy: Path, table: str, said: str) -> None:
    (with_toy / "toys.toml").write_text(f'base = "tiny"\nname = "toys"\n{table}\n')
    done = python(with_toy, "-c", "from mtmd.config import load_preset; load_preset('toys.toml')")
    assert said in done.stderr


def without(copy: Path, place: Path, gone: tuple[str, ...]) -> Path:
    shutil.copytree(copy, place, symlinks=True)
    for name in gone:
        shutil.rmtree(place / "mtmd" / "extras" / name)
    register(place, [name for name in extension.names() if name not in gone])
    return place


@pytest.mark.parametrize("gone", extension.names())
def test_any_one_extra_can_be_deleted(copy: Path, tmp_path: Path, gone: str) -> None:
    place = without(copy, tmp_path / "copy", (gone,))
    load = "from mtmd import cli, config; [config.load_preset(name) for name in config.preset_names()]"
    done = python(place, "-c", load)
    assert done.returncode == 0, done.stderr


def test_every_module_of_the_core_does_without_extras(copy: Path, tmp_path: Path) -> None:
    place = without(copy, tmp_path / "copy", extension.names())
    modules = [
        ".".join(path.relative_to(place).with_suffix("").parts)
        for folder in ("mtmd", "mtmd/flows", "mtmd/expectations")
        for path in sorted((place / folder).rglob("*.py"))
        if path.stem not in {"__main__", "__init__"}
    ]
    done = python(place, "-c", f"import importlib; [importlib.import_module(name) for name in {modules!r}]")
    assert done.returncode == 0, done.stderr
    assert python(place, "-m", "mtmd.cli", "--help").returncode == 0


def test_a_missing_library_is_named_with_what_to_install() -> None:
    with pytest.raises(
        LogsError, match=r"no_such_library is not installed, which the toy reads; .*'mtmd\[toys\]'"
    ):
        extension.library("no_such_library", "toys", "the toy reads", LogsError)


def test_what_needs_an_extra_that_is_not_registered_says_so() -> None:
    assert extension.module("no-such-extra", "commands") is None
    with pytest.raises(ConfigError, match=r"training on 2 ranks needs the extra 'no-such-extra'"):
        extension.required("no-such-extra", "launcher", "training on 2 ranks")
