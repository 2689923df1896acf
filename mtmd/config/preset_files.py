"""What a preset's file says: everything, or what it changes in another one, which it names as its `base`."""

import tomllib
from pathlib import Path
from typing import Any

from mtmd.config.base import merged
from mtmd.errors import ConfigError

PRESETS = Path(__file__).parent / "presets"


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
    if isinstance(folder := values.get("sql"), str):
        values["sql"] = str(path.parent / folder)
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
    return merged(read_preset(below, files), values)
