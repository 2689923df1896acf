"""What a preset's file says: everything, or what it changes in another one, which it names as its `base`."""

import tomllib
from pathlib import Path
from typing import Any

from mtmd import extension
from mtmd.config.base import merged
from mtmd.config.model import ARCHITECTURE, RIVALS, ModelSettings, RivalConfig
from mtmd.errors import ConfigError

CHANGE, MORE = "change_features", "more_features"


def features_over(base: list[Any] | None, values: dict[str, Any], path: Path) -> list[Any] | None:
    """The base's features as a file changes them, and those that it adds; None for a file that does neither.

    Takes both keys out of `values`. Raises ConfigError where they are not of their form, change what is no single
    feature of the base, or stand without a base or beside `features`.
    """
    found = {key: values.pop(key) for key in (CHANGE, MORE) if key in values}
    if not found:
        return None
    changes, more = found.get(CHANGE, {}), found.get(MORE, [])
    names = [feature.get("name") for feature in base or () if isinstance(feature, dict)]
    is_right = (
        base is not None
        and "features" not in values
        and isinstance(more, list)
        and isinstance(changes, dict)
        and all(
            names.count(name) == 1 and isinstance(change, dict) and "name" not in change
            for name, change in changes.items()
        )
    )
    if not is_right:
        raise ConfigError(
            f"preset {path} has {found}; [{CHANGE}.<name>] must have settings, and no name, of one feature of the "
            f"base, whose features are {names}, and [[{MORE}]] a further feature each; neither goes with `features` or "
            "without a base",
            "list all features instead",
        )
    changed = [f | changes.get(f.get("name"), {}) if isinstance(f, dict) else f for f in base or ()]
    return [*changed, *more]


OF_PROJECT = "preset.toml"
_PLACES = ("sql", "expectations")  # seen from the file that names them
_PER_TASK = ("model", "training")  # sections with tables that have a key for each task
PRESETS = Path(__file__).parent / "presets"


def default_preset() -> str:
    """The preset of the project in the current folder, which `mtmd init` made; elsewhere the demo's."""
    return OF_PROJECT if Path(OF_PROJECT).is_file() else "demo"


def shipped_presets() -> dict[str, Path]:
    """The presets that ship with the package, those in the folder `presets` of an extra too, by their names."""
    extras = Path(__file__).parents[1] / "extras"
    folders = [PRESETS, *(extras / name / "presets" for name in extension.names())]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def preset_names() -> tuple[str, ...]:
    """Names of the presets that ship with the package."""
    return tuple(sorted(shipped_presets()))


def preset_path(name_or_path: str, folder: Path = Path()) -> Path:
    """Where a preset is: a shipped one by its name, any by a path that ends in .toml, seen from `folder`.

    Raises ConfigError where there is no such file.
    """
    is_file = name_or_path.endswith(".toml")
    path = folder / name_or_path if is_file else shipped_presets().get(name_or_path)
    try:
        if path is not None and path.is_file():
            return path
    except OSError:  # its name is too long for the disk
        pass
    raise ConfigError(
        f"preset {name_or_path!r} not found", f"use one of {list(preset_names())} or a path to a .toml"
    )


def read_preset(path: Path, derived: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The values of a preset's file, laid over those of its `base` where it has one.

    `base` is a shipped preset's name, or a path from the file's folder. `derived` are the files that led here.
    Raises ConfigError for a file that is not TOML, a base that is not found or leads back, no name beside a base, and
    for `change_features` or `more_features` without a base or beside `features`.
    """
    values = read_toml(path)
    base = values.pop("base", None)
    if base is None:
        return laid_over({}, values, path)
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
    return laid_over(read_preset(below, files), values, path)


def laid_over(base: dict[str, Any], values: dict[str, Any], path: Path) -> dict[str, Any]:
    """A file's values over those of its base; raises ConfigError as `features_over` does."""
    values, there = dict(values), base.get("features")
    features = features_over(there if isinstance(there, list) else None, values, path)
    if features is not None:
        values["features"] = features
    return _of_tasks_that_are_there(merged(_without_replaced(base, values), values), values)


def read_toml(path: Path) -> dict[str, Any]:
    """What one file says, its `base` too; places in it are seen from its folder.

    Raises ConfigError for a file that is not TOML.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    # Of TOML, of UTF-8, and of integers with thousands of digits.
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"preset {path} is not valid TOML: {error}") from error
    places = {key: str(path.parent / values[key]) for key in _PLACES if isinstance(values.get(key), str)}
    return values | places


def _without_replaced(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """A source of a table, or an architecture, takes the place of the base's, whose keys have no meaning in another."""
    tables = dict(base)
    below, above = base.get("sources"), values.get("sources")
    if isinstance(below, dict) and isinstance(above, dict):
        tables["sources"] = {table: source for table, source in below.items() if table not in above}
    tables["model"] = _without_other(base.get("model"), values.get("model"), ARCHITECTURE)
    rivals, own = base.get("rivals"), values.get("rivals")
    if isinstance(rivals, dict) and isinstance(own, dict):
        usual = {name: RIVALS.get(name, name) for name in rivals}
        tables["rivals"] = {
            name: _without_other(model, own.get(name), usual[name]) for name, model in rivals.items()
        }
    return {key: table for key, table in tables.items() if table is not None}


def _without_other(model: Any, own: Any, usual: str | None) -> Any:
    """A base's table of a model without the keys of its architecture, where `own` names another one."""
    if not (isinstance(own, dict) and isinstance(model, dict)):
        return model
    before = model.get("architecture", usual)
    common = (
        model
        if own.get("architecture", before) == before
        else ModelSettings.model_fields | RivalConfig.model_fields
    )
    return {key: value for key, value in model.items() if key in common}


def _of_tasks_that_are_there(tables: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """A base's settings of tasks that a preset has no longer go with those tasks; what the file itself says stays."""
    try:
        tasks = {task["name"] for task in values["domains"]["tasks"]}
    except (KeyError, TypeError):
        return tables
    for section in _PER_TASK:
        table, own = tables.get(section), values.get(section)
        for key, by_task in table.items() if isinstance(table, dict) else ():
            if isinstance(by_task, dict) and key != "each":
                said = own.get(key) if isinstance(own, dict) else None
                kept = tasks | (said.keys() if isinstance(said, dict) else set())
                settings = {task: setting for task, setting in by_task.items() if task in kept}
                tables = tables | {section: tables[section] | {key: settings}}
    return tables
