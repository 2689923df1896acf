"""A preset without what is wrong in it, so that a check can go on: changes are tried until one silences a problem.

What a person meant is not known; the repaired preset only serves to look at the rest.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from mtmd.config.preset_files import PER_TASK
from mtmd.project.findings import nearest
from mtmd.project.preset_problems import Path_, Problem, known_keys, tables_at, validated, value_at

_Values = dict[str, Any]
_NAMED_SOMEHOW: dict[Path_, str] = {("name",): "nameless", ("logs",): "logs"}


def without(problem: Problem, values: _Values) -> _Values | None:
    """The values with the first change that silences a problem and raises none in the same table; None without any."""
    before, table = _known(values), problem.path[:-1]
    for changed in _changes(problem, values):
        left = _known(changed)
        spoilt = bool(table) and any(path[: len(table)] == table for path, _ in left - before)
        if (problem.path, problem.message) not in left and not spoilt:
            return changed
    return None


def _known(values: _Values) -> set[tuple[Path_, str]]:
    return {(problem.path, problem.message) for problem in validated(values)[1]}


def _changes(problem: Problem, values: _Values) -> Iterator[_Values]:
    """Small changes first."""
    path = problem.path
    yield from _other_values(problem, values)
    if problem.kind != "value_error":
        yield _deleted(values, path)
    for length in range(len(path), 0, -1):
        if isinstance(path[length - 1], int):
            yield _deleted(values, path[:length])
    yield from _simpler(values, problem.message)
    yield _deleted(values, path)


def _other_values(problem: Problem, values: _Values) -> Iterator[_Values]:
    """The nearest known key for an unknown one, or another value."""
    path = problem.path
    if problem.kind == "extra_forbidden":
        near = nearest(problem.key, known_keys(path[:-1]))
        if near is not None and near not in value_at(values, path[:-1]):
            yield _set(_deleted(values, path), (*path[:-1], near), problem.value)
    for stand_in in _stand_ins(problem):
        yield _set(values, path, stand_in)


def _stand_ins(problem: Problem) -> Iterator[Any]:
    """Values that the problem itself says would do."""
    context = problem.context
    if problem.path in _NAMED_SOMEHOW:
        yield _NAMED_SOMEHOW[problem.path]
    yield from (context[bound] for bound in ("ge", "le") if bound in context)
    if "gt" in context:
        yield context["gt"] + 1
    if "expected" in context:
        allowed = re.findall(r"'([^']*)'", str(context["expected"]))
        near = nearest(str(problem.value), allowed)
        yield from [near] if near else allowed[:1]


def _simpler(values: _Values, message: str) -> Iterator[_Values]:
    """What sections ask of each other, given up piece by piece, of what the message names."""
    given = [task.get("name") for _, task in tables_at(values, ("domains", "tasks"))]
    tasks = [name for name in given if isinstance(name, str)]
    yield _set(values, ("training", "loss_weights"), dict.fromkeys(tasks, 1.0))
    yield _set(values, ("model", "emb_deep"), 16)
    for path in (("evaluation", "value_weights"), ("min_window_days",), ("window_days",)):
        if path[-1] in message:  # another problem would hide this one, which is still there
            yield _deleted(values, path)
    yield from _simpler_entries(values, ("domains", "tasks"), ("parent", "products"), message)
    yield from _retyped(values, message)
    keys = ("domains", "type", "table", "weights", "actions", "ages")
    yield from _simpler_entries(values, ("features",), keys, message)
    yield from _shallow(values)
    for names in (("domains", "surfaces"), ("domains", "products")):
        listed = value_at(values, names)
        if isinstance(listed, list):
            yield _set(values, names, [name for name in dict.fromkeys(listed) if name != "all"])
            yield _set(values, names, [name for name in listed if repr(name) not in message])


def _retyped(values: _Values, message: str) -> Iterator[_Values]:
    """Features that a message names, with the type that it asks for."""
    if (asked := re.search(r"set its type to (\w+)", message)) is not None:
        for n, feature in tables_at(values, ("features",)):
            if repr(feature.get("name")) in message:
                yield _set(values, ("features", n, "type"), asked[1])


def _simpler_entries(values: _Values, place: Path_, keys: tuple[str, ...], message: str) -> Iterator[_Values]:
    """Tasks or features that a message names, without some of their keys, and then without them."""
    # The last first: of two of one name it is the repeated one.
    named = [(n, entry) for n, entry in tables_at(values, place) if repr(entry.get("name")) in message][::-1]
    for key in keys:
        yield from (_deleted(values, (*place, n, key)) for n, entry in named if key in entry)
    for n, entry in named:
        if "label" in entry:
            yield _set(values, (*place, n, "label"), "clicked")
            yield _without_task(values, n, entry.get("name"))
        else:
            yield _deleted(values, (*place, n))


def _without_task(values: _Values, place: int, task: Any) -> _Values:
    """Without a task, what is said of it elsewhere, and its part as a parent."""
    changed = _deleted(values, ("domains", "tasks", place))
    for section, key in PER_TASK:
        changed = _deleted(changed, (section, key, task))
    for n, other in tables_at(changed, ("domains", "tasks")):
        if other.get("parent") == task:
            changed = _deleted(changed, ("domains", "tasks", n, "parent"))
    return changed


def _shallow(values: _Values) -> Iterator[_Values]:
    for n, feature in tables_at(values, ("features",)):
        if feature.get("kind") == "categorical":
            yield _set(values, ("features", n, "shallow"), True)


def _set(values: _Values, path: Path_, value: Any) -> _Values:
    changed = deepcopy(values)
    table = value_at(changed, path[:-1])
    if isinstance(table, dict | list):
        table[path[-1]] = value  # type: ignore[index]
    return changed


def _deleted(values: _Values, path: Path_) -> _Values:
    """Without what is at a path; unchanged where nothing is."""
    changed = deepcopy(values)
    table = value_at(changed, path[:-1]) if path else None
    if isinstance(table, dict):
        table.pop(path[-1], None)
    elif isinstance(table, list):
        del table[path[-1]]  # type: ignore[arg-type]
    return changed
