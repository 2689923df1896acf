"""What every configuration model has: its base, changes laid over values, and what is wrong with them, in words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError


class Frozen(BaseModel):
    """An immutable configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def models_of(cls, values: Any) -> tuple[type[BaseModel], ...]:
        """The models whose keys a table of such values has: this one, unless the values choose others."""
        return (cls,)


class Section(Frozen):
    """A section of a preset. Of infinity there is no JSON: it would end a run where an output is named by it."""

    model_config = ConfigDict(allow_inf_nan=False)


class ExtraSettings(Section):
    """The base of an extra's `Settings`, the table `[extras.<name>]` of a preset (see `mtmd.extension`)."""

    def check(self, preset: Any) -> None:
        """Raise ValueError, in words, where another section of the preset does not fit these settings."""

    def recipe(self) -> dict[str, Any]:
        """What of them decides trained weights, and so is part of a training's name; empty where that is nothing."""
        return {}


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`values` with `changes` laid over them: tables key by key; anything else, lists too, as a whole."""
    tables = {
        key: merged(values[key], change)
        for key, change in changes.items()
        if isinstance(change, dict) and isinstance(values.get(key), dict)
    }
    return values | changes | tables


_SHOWN = 60  # characters of a wrong value
_NAMED = {("features",): "feature", ("domains", "tasks"): "task"}  # lists of tables that have names
Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One wrong value: where it is in the file, what is wrong, and what to do; without a remedy the text says it."""

    path: Location
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.remedy}" if self.remedy else self.text


def problems(error: ValidationError, values: Any, model: type[BaseModel]) -> list[Problem]:
    """All that pydantic found in `values` of a model, each place once."""
    found: dict[Location, Problem] = {}
    for entry in error.errors(include_url=False):
        problem = _problem(dict(entry), values, model)
        before = found.get(problem.path)
        if before is not None and problem.path and before.text != problem.text:  # other members of a union
            text = f"{before.text}, or {problem.text.rpartition(' must be ')[2]}"
            problem = Problem(problem.path, text, before.remedy)
        found[problem.path if problem.path else (problem.text,)] = problem
    inside = {path[:n] for path in found for n in range(1, len(path))}
    return [problem for path, problem in found.items() if path not in inside]


def wrong_values(error: ValidationError, values: Any = None, model: type[BaseModel] = BaseModel) -> str:
    """All that pydantic found, a line for each: the key, its value, and what it must be."""
    return "\n".join(f"  {problem}" for problem in problems(error, values, model))


def nearest(name: str, known: Any, alike: float = 0.6) -> str | None:
    """The known name that is most like another one, whatever its case and underscores; None where none is `alike`."""
    plain = {re.sub("[_-]", "", other.lower()): other for other in known}
    close = get_close_matches(re.sub("[_-]", "", name.lower()), plain, n=1, cutoff=alike)
    return plain[close[0]] if close else None


def _problem(entry: dict[str, Any], values: Any, model: type[BaseModel]) -> Problem:
    kind, location = entry["type"], tuple(entry["loc"])
    path = location if values is None else _in_file(location, values, absent=kind == "missing")
    about, key = _subject(path, values)
    where = ", ".join(part for part in (about, key) if part)
    if kind == "extra_forbidden":
        return _unknown(path, where, model, values)
    if kind.startswith("union_tag_"):
        given, known = (entry["ctx"].get(what) for what in ("tag", "expected_tags"))
        text = "kind: missing" if given is None else f"kind ({given!r}) must be one of {known}"
        return Problem(path, f"{where}, {text}", "" if given else "add it")
    if kind == "missing":
        words = _keys(path[:-1], model, values).get(str(path[-1]))
        return Problem(path, f"{where}: missing", f"add it: {words}" if words else "add it")
    words = re.sub(
        r"^(Value error, |\w+ should )", lambda m: "" if "error" in m[1] else "must ", entry["msg"]
    )
    if kind == "value_error":
        name = about or key
        return Problem(path, words if not name or name in words else f"{name}: {words}")
    text = repr(entry["input"])
    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}…"
    return Problem(path, f"{where} ({shown}) {words}")


def _unknown(path: Location, where: str, model: type[BaseModel], values: Any) -> Problem:
    """Of a key that a table has not, or not in its kind."""
    known = _keys(path[:-1], model, values)
    if path[-1] in known:
        return Problem(path, f"{where}: a table of this kind has no such key", "remove it")
    own = [f"[{path[-1]}]" if _keys(path[-1:], model, values) else "the top, before all tables"]
    own *= path[-1] in model.model_fields
    tables = [name for name, field in model.model_fields.items() if not get_origin(field.annotation)]
    own += [f"[{name}]" for name in tables if path[-1] in _keys((name,), model, values)]
    remedy = f"move it to {' or '.join(own)}" if own else "correct its name, or remove it"
    if near := nearest(str(path[-1]), known, 0.85 if own else 0.6):
        remedy = f"write {near}, if that is meant"
    return Problem(path, f"{where}: no such key", remedy)


def _subject(path: Location, values: Any) -> tuple[str, str]:
    """The feature or task that a path is about, by its name (or "" for neither), and the key in it."""
    for place, what in _NAMED.items():
        if path[: len(place)] == place and len(path) > len(place):
            entry = _at(values, path[: len(place) + 1])
            name = entry.get("name") if isinstance(entry, Mapping) else None
            words = f"{what} {name!r}" if isinstance(name, str) else f"{what} no. {int(path[len(place)]) + 1}"
            return words, ".".join(map(str, path[len(place) + 1 :]))
    return "", ".".join(map(str, path))


def _at(values: Any, path: Location) -> Any:
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _in_file(location: Location, values: Any, *, absent: bool) -> Location:
    """A location without pydantic's names of union members, which are in no file; a key that is absent stays."""
    path: list[str | int] = []
    for place, part in enumerate(location):
        is_key = isinstance(values, Mapping) and part in values
        below = _at(values, (part,))
        if below is None and not (is_key or (absent and place == len(location) - 1)):
            continue
        path.append(part)
        values = below
    return tuple(path)


def _keys(path: Location, model: type[BaseModel], values: Any) -> dict[str, str]:
    """The keys of the table at a path, with their descriptions, of all models that may stand there."""
    models = [model]
    for place, part in enumerate(path, start=1):
        fields = [one.model_fields[str(part)] for one in models if str(part) in one.model_fields]
        if fields:  # else a list's place, or a name in a table of tables
            models = [inner for field in fields for inner in _models_in(field.annotation)]
        table = _at(values, path[:place])
        chosen = [one.models_of(table) if issubclass(one, Frozen) else (one,) for one in models]
        models = [inner for inners in chosen for inner in inners]
    return {name: field.description or "" for one in models for name, field in one.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
