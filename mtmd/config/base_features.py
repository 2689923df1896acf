"""The features of a preset with a base: the base's, some of them with other settings, and further ones."""

from pathlib import Path
from typing import Any

from mtmd.errors import ConfigError

CHANGE, MORE = "change_features", "more_features"
_UNSET = "unset"  # in a change: the settings of the base's feature that are taken away


def require_base(values: dict[str, Any], path: Path) -> None:
    """Raise ConfigError for a file that changes the features of a base, or adds to them, and has none."""
    for key in (CHANGE, MORE):
        if key in values:
            raise ConfigError(f"preset {path} has {key} and no base; declare them as features")


def features_over(base: list[Any], values: dict[str, Any], path: Path) -> list[Any] | None:
    """The base's features as a file changes them, and those that it adds; None for a file that does neither.

    Takes both keys out of `values`. Raises ConfigError where one is not of its form, for a feature that the base
    lacks, and beside `features`.
    """
    found = {key: values.pop(key) for key in (CHANGE, MORE) if key in values}
    if not found:
        return None
    if "features" in values:
        raise ConfigError(
            f"preset {path} has features and {' and '.join(found)}; the features take the base's place: list all there"
        )
    more = found.get(MORE, [])
    if not isinstance(more, list):
        raise ConfigError(f"preset {path} has {MORE} {more!r}, which is no list; write [[{MORE}]] above each")
    return [*_changed(base, found.get(CHANGE, {}), path), *more]


def _changed(base: list[Any], changes: Any, path: Path) -> list[Any]:
    if not isinstance(changes, dict) or not all(isinstance(change, dict) for change in changes.values()):
        raise ConfigError(
            f"preset {path} has {CHANGE} {changes!r}; write [{CHANGE}.name] above what changes of a feature"
        )
    names = [feature.get("name") for feature in base if isinstance(feature, dict)]
    if unknown := sorted(changes.keys() - set(names)):
        raise ConfigError(
            f"preset {path} has {CHANGE} of {unknown}, which its base lacks; its features are {names}; "
            f"write [[{MORE}]] for a further one"
        )
    if renamed := [name for name, change in changes.items() if "name" in change]:
        raise ConfigError(
            f"preset {path} has {CHANGE} of {renamed} with a name; a feature keeps its name, which is its column's"
        )
    sides = {name for name in changes if names.count(name) > 1}
    if unclear := sorted(name for name in sides if "side" not in changes[name]):
        raise ConfigError(
            f"preset {path} has {CHANGE} of {unclear}, and features of both sides have that name; add "
            'side = "query" or side = "item"'
        )
    wrong = {name: side for name in sides if (side := changes[name]["side"]) not in ("query", "item")}
    if wrong:
        raise ConfigError(f'preset {path} has {CHANGE} with sides {wrong}; a side must be "query" or "item"')
    return [
        _over(feature, changes[feature["name"]], path) if _is_meant(feature, changes, sides) else feature
        for feature in base
    ]


def _over(feature: dict[str, Any], change: dict[str, Any], path: Path) -> dict[str, Any]:
    """A feature of the base with a change's settings, and without those that it unsets."""
    unset, settings = change.get(_UNSET, []), {key: change[key] for key in change if key != _UNSET}
    had = [key for key in feature if key != "name"]
    if not isinstance(unset, list) or not all(key in had and key not in settings for key in unset):
        raise ConfigError(
            f"preset {path} has change_features.{feature['name']} with unset = {unset!r}; it must be a list of "
            f"settings that its base gives the feature and that are not set here; the base gives it {had}"
        )
    return {key: value for key, value in (feature | settings).items() if key not in unset}


def _is_meant(feature: Any, changes: dict[str, Any], of_both_sides: set[str]) -> bool:
    """Whether a feature of the base is changed: of a name that both sides have, the side says which one."""
    if not isinstance(feature, dict) or (name := feature.get("name")) not in changes:
        return False
    return name not in of_both_sides or feature.get("side") == changes[name]["side"]
