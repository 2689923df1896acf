"""What changed since the champion that a run was compared with: figures, odd numbers of the data, and how it was made.

All of it is one table of what differs, with the champion's value beside the run's own.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from mtmd.errors import RegistryError
from mtmd.evaluate.report import ALL, EVERYTHING, EvaluationReport
from mtmd.promote.gates import CHAMPION
from mtmd.registry.records import ModelManifest, RunOrigin
from mtmd.registry.registry import Registry
from mtmd.report.evaluation import estimate
from mtmd.report.past import made_by, origin
from mtmd.report.tables import Table, columns_of
from mtmd.store.workspace import Workspace
from mtmd.validate.results import DayValidation, Status, WindowValidation

_MOST = 30  # keys of the preset that are listed
_LONG = 60  # characters of a value
_BANDS = ("_steady", "_as_usual")  # ends of the names of expectations that compare with earlier days
_COSTS = {"window_rows", "training_seconds"}
Row = tuple[str, str, str]


def since(
    workspace: Workspace,
    champion: str,
    run: Path,
    manifest: ModelManifest,
    validations: Sequence[DayValidation | WindowValidation],
    report: EvaluationReport,
) -> Table:
    """The run beside the champion that it was compared with; `run` is the run's directory, `manifest` its model's.

    What is not recorded of the champion, such as when a clean-up removed its run, is said in words.
    """
    before = _manifest(workspace, champion)
    promoting = made_by(workspace, champion)
    return Table(
        title=f"Since champion {champion}",
        columns=columns_of("text", ("what", "champion", "this run")),
        rows=(
            *_days(before, manifest),
            *_figures(report),
            *_beyond(validations, before.as_of if before else manifest.as_of),
            *_made(None if promoting is None else origin(promoting), origin(run)),
        ),
    )


def _manifest(workspace: Workspace, champion: str) -> ModelManifest | None:
    """None where the clean-up removed the model."""
    try:
        return Registry(workspace.root).manifest(champion)
    except RegistryError:
        return None


def _days(before: ModelManifest | None, now: ModelManifest) -> Iterator[Row]:
    yield "held-out day", str(before.as_of) if before else "not recorded", str(now.as_of)
    yield "training days", _window(before), _window(now)
    if before and (same := set(before.window) & set(now.window)):
        again = sum(before.window[day] != now.window[day] for day in same)
        yield "shared training days with other data or features", "", f"{again} of {len(same)}"


def _window(manifest: ModelManifest | None) -> str:
    days = sorted(manifest.window) if manifest else []
    return f"{days[0]} to {days[-1]} ({len(days)})" if days else "not recorded"


def _figures(report: EvaluationReport) -> Iterator[Row]:
    """On the same rows of the held-out day; says so where the champion was not compared."""
    if CHAMPION not in report.predictors:
        yield "figures", "not compared on this day", ""
        return
    gain = report.compared(CHAMPION, EVERYTHING).improvement
    yield f"LogMAE, {ALL} tasks", "", "–" if gain is None else f"{gain:+.2%} better"
    for where in report.aggregates:
        theirs, own = (report.get(name, where) for name in (CHAMPION, report.candidate))
        found = estimate(report, CHAMPION, where)
        yield f"LogMAE, {where.task}", _number(theirs.logmae), f"{_number(own.logmae)} ({found or '–'})"
        level = f"mean prediction, {where.task} (teacher {_number(own.mean_teacher)})"
        yield level, _number(theirs.mean_prediction), _number(own.mean_prediction)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _beyond(validations: Sequence[DayValidation | WindowValidation], first: date) -> Iterator[Row]:
    """Shares, null rates, mean scores and categories of the days since that are outside of their bands."""
    for day in validations:
        for result in day.results if isinstance(day, DayValidation) and day.day >= first else ():
            if result.name.endswith(_BANDS) and result.status is Status.FAILED:
                found = result.unexpected or len(result.samples)
                yield f"{day.title}: {result.table}.{result.name}", "", f"{found} numbers beyond their band"


def _made(before: RunOrigin | None, now: RunOrigin | None) -> Iterator[Row]:
    """Keys of the preset, commit, formats, packages, SQL and expectations that differ."""
    if before is None or now is None:
        yield (
            "how it was made",
            "not recorded" if before is None else "",
            "not recorded" if now is None else "",
        )
        return
    first, second = (dict(_flat(made.model_dump(mode="json", exclude=_COSTS), "")) for made in (before, now))
    keys = [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]
    for key in keys[:_MOST]:
        yield key, _short(first.get(key)), _short(second.get(key))
    if len(keys) > _MOST:
        yield f"and {len(keys) - _MOST} more keys", "", ""
    if not keys:
        yield "how it was made", "", "as the champion was"


def _flat(values: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """(dotted key, JSON) of every value; a list of tables that have names goes by name, another list is one value."""
    if isinstance(values, list) and values and all(isinstance(one, dict) and "name" in one for one in values):
        values = {f"{one.get('side', '')}.{one['name']}".lstrip("."): one for one in values}
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, values if isinstance(values, str) else json.dumps(values)


def _short(value: str | None) -> str:
    text = "not there" if value is None else value
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
