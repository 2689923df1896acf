"""All that is wrong with a preset's values, one by one: pydantic's errors, and columns that no table can have."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from mtmd.config import Preset
from mtmd.config.base import requirement
from mtmd.errors import ConfigError
from mtmd.logs.contract import table_columns

Path_ = tuple[str | int, ...]
_LISTS = {("features",): "feature", ("domains", "tasks"): "task"}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, pydantic's name of its kind, what is required, and what there is."""

    path: Path_
    kind: str
    message: str
    value: Any
    context: dict[str, Any]

    @property
    def key(self) -> str:
        return str(self.path[-1]) if self.path else ""


def validated(values: dict[str, Any]) -> tuple[Preset | None, list[Problem]]:
    """The preset, or all that is known to be wrong; what is wrong across sections shows once the sections are right."""
    try:
        preset = Preset.model_validate(values)
    except ValidationError as error:
        return None, _one_of_each(_problems(error, values))
    try:
        table_columns(preset.declarations)
    except ConfigError as error:
        return None, [Problem((), "value_error", str(error), None, {})]
    return preset, []


def subject(path: Path_, values: dict[str, Any]) -> tuple[str, Path_]:
    """The feature or task that a path is about, by its name (or "" for neither), and the rest of the path."""
    for place, what in _LISTS.items():
        index = len(place)
        if path[:index] == place and len(path) > index:
            entry = value_at(values, path[: index + 1])
            name = entry.get("name") if isinstance(entry, dict) else None
            number = path[index]
            words = f"{what} {name!r}" if isinstance(name, str) else f"{what} no. {int(number) + 1}"
            return words, path[index + 1 :]
    return "", path


def value_at(values: Any, path: Path_) -> Any:
    """What is at a path; None where nothing is."""
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def tables_at(values: dict[str, Any], path: Path_) -> list[tuple[int, dict[str, Any]]]:
    """The tables of the list at a path, with their positions; none where there is no list."""
    found = value_at(values, path)
    entries = enumerate(found) if isinstance(found, list) else ()
    return [(n, entry) for n, entry in entries if isinstance(entry, dict)]


def known_keys(path: Path_) -> dict[str, str]:
    """The keys of the table at a path, with their descriptions; none where it is no table of known keys."""
    model: type[BaseModel] | None = Preset
    for part in path:
        if isinstance(part, str) and model is not None:
            field = model.model_fields.get(part)
            model = _model_in(field.annotation) if field is not None else None
    if model is None:
        return {}
    return {name: field.description or "" for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)


def _problems(error: ValidationError, values: dict[str, Any]) -> Iterator[Problem]:
    for entry in error.errors(include_url=False):
        path = _within(entry["loc"], values, absent=entry["type"] == "missing")
        yield Problem(
            path, entry["type"], requirement(entry["msg"]), entry["input"], dict(entry.get("ctx", {}))
        )


def _within(location: Path_, values: Any, *, absent: bool) -> Path_:
    """A location without pydantic's names of union members, which are in no file; a key that is absent stays."""
    path: list[str | int] = []
    for place, part in enumerate(location):
        last = place == len(location) - 1
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            if not (absent and last):
                continue
        path.append(part)
    return tuple(path)


def _one_of_each(problems: Iterator[Problem]) -> list[Problem]:
    """Without what a union's other members say of a value that is wrong inside, and in one where all say no."""
    merged: dict[Path_, Problem] = {}
    for problem in problems:
        before = merged.get(problem.path)
        words = problem.message
        if before is not None and before.message != words:
            words = f"{before.message}, or {words.removeprefix('must be ')}"
        merged[problem.path] = replace(problem, message=words)
    inside = {path[:n] for path in merged for n in range(len(path))}
    return [
        problem
        for path, problem in merged.items()
        if not (path in inside and problem.kind.endswith(("_type", "_parsing")))
    ]
