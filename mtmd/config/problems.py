"""What is wrong with a configuration's values, in words: the one place that reads pydantic's errors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_SHOWN = 60  # characters of a wrong value
_LISTS = {("features",): "feature", ("domains", "tasks"): "task"}
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


def nearest(name: str, known: Any) -> str | None:
    """The known name that is most like another one, whatever its case and underscores; None where none is near."""
    plain = {_plain(other): other for other in known}
    close = get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _problem(entry: dict[str, Any], values: Any, model: type[BaseModel]) -> Problem:
    kind, location = entry["type"], tuple(entry["loc"])
    path = location if values is None else _in_file(location, values, absent=kind == "missing")
    about, key = _subject(path, values)
    where = ", ".join(part for part in (about, key) if part)
    known = _keys(path[:-1], model)
    if kind == "extra_forbidden":
        near = nearest(str(path[-1]), known)
        remedy = f"write {near}, if that is meant" if near else "correct its name, or remove it"
        return Problem(path, f"{where}: no such key", remedy)
    if kind == "missing":
        return Problem(path, f"{where}: missing", f"add it{_as_help(known.get(str(path[-1]), ''))}")
    words = re.sub(
        r"^(Value error, |\w+ should )", lambda m: "" if "error" in m[1] else "must ", entry["msg"]
    )
    if kind == "value_error":
        name = about or key
        return Problem(path, words if not name or name in words else f"{name}: {words}")
    return Problem(path, f"{where} ({_shortened(entry['input'])}) {words}")


def _as_help(description: str) -> str:
    return f": {description}" if description else ""


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}…"


def _subject(path: Location, values: Any) -> tuple[str, str]:
    """The feature or task that a path is about, by its name (or "" for neither), and the key in it."""
    for place, what in _LISTS.items():
        if path[: len(place)] == place and len(path) > len(place):
            number, rest = path[len(place)], ".".join(map(str, path[len(place) + 1 :]))
            entry = _at(values, path[: len(place) + 1])
            name = entry.get("name") if isinstance(entry, Mapping) else None
            words = f"{what} {name!r}" if isinstance(name, str) else f"{what} no. {int(number) + 1}"
            return words, rest
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
        below = _at(values, (part,))
        if below is None and not (_has(values, part) or (absent and place == len(location) - 1)):
            continue
        path.append(part)
        values = below
    return tuple(path)


def _has(values: Any, part: str | int) -> bool:
    return isinstance(values, Mapping) and part in values


def _keys(path: Location, model: type[BaseModel] | None) -> dict[str, str]:
    """The keys of the table at a path, with their descriptions; none where it is no table of known keys."""
    for part in path:
        if isinstance(part, str) and model is not None:
            field = model.model_fields.get(part)
            model = None if field is None else _model_in(field.annotation)
    fields = {} if model is None else model.model_fields
    return {name: field.description or "" for name, field in fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)
