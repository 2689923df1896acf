"""What a preset's file says: everything, or what it changes in another one, which it names as its `base`."""

import tomllib
from pathlib import Path
from typing import Any

from mtmd.config.base import merged
from mtmd.errors import ConfigError

_OF_PROJECT = "preset.toml"
_PLACES = ("sql", "expectations")  # seen from the file that names them
_PER_TASK = (("model", "emb_deep"), ("training", "loss_weights"), ("evaluation", "value_weights"))
PRESETS = Path(__file__).parent / "presets"


def default_preset() -> str:
    """The preset of the project in the current folder, which `mtmd init` made; elsewhere the demo's."""
    return _OF_PROJECT if Path(_OF_PROJECT).is_file() else "demo"


def preset_names() -> tuple[str, ...]:
    """Names of the presets that ship with the package."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))


def preset_path(name_or_path: str, folder: Path = Path()) -> Path:
    """Where a preset is: a shipped one by its name, any by a path that ends in .toml, seen from `folder`.

    Raises ConfigError where there is no such file.
    """
    path = folder / name_or_path if name_or_path.endswith(".toml") else PRESETS / f"{name_or_path}.toml"
    if not path.is_file():
        raise ConfigError(
            f"preset {name_or_path!r} not found; use one of {list(preset_names())} or a path to a .toml"
        )
    return path


def read_preset(path: Path, derived: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The values of a preset's file, laid over those of its `base` where it has one.

    `base` is a shipped preset's name, or a path from the file's folder. `derived` are the files that led here.
    Raises ConfigError for a file that is not TOML, a base that is not found or leads back, and no name beside a base.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"preset {path} is not valid TOML: {error}") from error
    values |= {key: str(path.parent / values[key]) for key in _PLACES if isinstance(values.get(key), str)}
    if "base" not in values:
        return values
    base = values.pop("base")
    if not isinstance(base, str):
        raise ConfigError(f"preset {path} has base {base!r}; it must be a preset's name or a path to a .toml")
    if "name" not in values:
        raise ConfigError(
            f"preset {path} has base {base!r} and no name of its own; give it one, or its models would be {base}'s"
        )
    try:
        below = preset_path(base, path.parent)
    except ConfigError as error:
        raise ConfigError(f"preset {path} has base {base!r}: {error}") from error
    files = (*derived, path)
    if any(below.samefile(file) for file in files):
        way = " → ".join(file.name for file in (*files, below))
        raise ConfigError(f"preset {path} has base {base!r}, which leads back: {way}; let one stand alone")
    return _of_tasks_that_are_there(merged(read_preset(below, files), values), values)


def _of_tasks_that_are_there(values: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """A base's settings of tasks that a preset has no longer go with those tasks; what the file itself says stays."""
    try:
        tasks = {task["name"] for task in said["domains"]["tasks"]}
    except (KeyError, TypeError):
        return values
    for section, key in _PER_TASK:
        own, table = said.get(section), values.get(section)
        given = own.get(key) if isinstance(own, dict) else None
        kept = tasks | (set(given) if isinstance(given, dict) else set())
        if isinstance(table, dict) and isinstance(table.get(key), dict):
            settings = {task: setting for task, setting in table[key].items() if task in kept}
            values = values | {section: table | {key: settings}}
    return values
