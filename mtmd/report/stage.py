"""Write the page that a person reads to decide whether to trust the run's model, and the same as Markdown beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtmd.errors import BundleError, RegistryError, ReportError
from mtmd.evaluate.ablation import Ablation
from mtmd.promote.findings import RunSummary
from mtmd.promote.stage import DayRun
from mtmd.registry.records import ModelManifest, RunOrigin, origin
from mtmd.registry.registry import Registry
from mtmd.report.document import markdown, page
from mtmd.report.line import MARKDOWN, made_by, read_line
from mtmd.report.tables import Table, columns_of, short
from mtmd.report.view import RunRecords, view
from mtmd.store.workspace import Workspace

_LAST = 30  # runs
_MOST = 30  # keys of the preset that are listed
_LONG = 60  # characters of a value
_COSTS = {"window_rows", "training_seconds"}
_GONE = "not recorded"
_Row = tuple[str, str, str]


def write_report(run: DayRun, summary: RunSummary, ablated: Ablation | None = None) -> Path:
    """The page of a run that has decided, at the place that its summary names; returns that place.

    Written again with the ablations when these are done. The page of a decision that an earlier run took is
    left as it is, unless it is missing or there are ablations to add.

    Raises ReportError, whatever went wrong: what was decided stands, and the message says so.
    """
    place = Path(summary.places["report"])
    if summary.repeated and ablated is None and place.is_file():
        return place
    try:
        document = view(_records(run, summary, ablated))
        store = run.plan.workspace.store
        store.write_text(place.with_name(MARKDOWN), markdown(document, pictures=False))
        words = f"All days and runs of {run.plan.preset.name}"
        store.write_text(place, page(document, "../../index.html", words))
    except Exception as error:
        raise ReportError(
            f"the report of {summary.model_id} could not be written to {place}: {error}. The decision stands "
            f"({summary.words}); run the same day again to make the report alone"
        ) from error
    return place


def _records(run: DayRun, summary: RunSummary, ablated: Ablation | None) -> RunRecords:
    workspace = run.plan.workspace
    manifest = Registry(workspace.root).manifest(summary.model_id)
    past = [one for one in read_line(workspace.root).runs if one.as_of <= summary.as_of][:_LAST][::-1]
    found = RunRecords(run, summary, manifest, past=past, ablated=ablated)  # the oldest day first
    champion = summary.verdict.champion
    if champion is None:
        return found
    run_place, failed = Path(summary.places["run"]), summary.verdict.failed
    return replace(found, since=since(workspace, champion, run_place, manifest, failed))


def since(
    workspace: Workspace, champion: str, run: Path, manifest: ModelManifest, failed: Sequence[str] = ()
) -> Table:
    """The run beside the champion that it was compared with; `run` is the run's directory, `manifest` its model's.

    The keys of the first gate that `failed` stand before those of the training, the model and the data. What is not
    recorded of the champion, such as when a clean-up removed its run, is said in words.
    """
    try:
        before = Registry(workspace.root).manifest(champion)
    except (BundleError, RegistryError):  # it is damaged, or the clean-up removed the model
        before = None
    promoting = made_by(workspace, champion)
    return Table(
        title=f"Since champion {champion}",
        columns=columns_of("text", ("what", "champion", "this run")),
        rows=(
            *_days(before, manifest),
            *_made(origin(promoting) if promoting else None, origin(run), failed),
        ),
    )


def _days(before: ModelManifest | None, now: ModelManifest) -> Iterator[_Row]:
    yield "held-out day", str(before.as_of) if before else _GONE, str(now.as_of)
    yield "training days", _window(before), _window(now)
    if before and (same := set(before.window) & set(now.window)):
        again = sum(before.window[day] != now.window[day] for day in same)
        yield "shared training days with other data or features", "", f"{again} of {len(same)}"


def _window(manifest: ModelManifest | None) -> str:
    days = sorted(manifest.window) if manifest else []
    return f"{days[0]} to {days[-1]} ({len(days)})" if days else _GONE


def _made(before: RunOrigin | None, now: RunOrigin | None, failed: Sequence[str]) -> Iterator[_Row]:
    """Keys of the preset, commit, packages and SQL that differ."""
    if before is None or now is None:
        yield "how it was made", "" if before else _GONE, "" if now else _GONE
        return
    first, second = (dict(_flat(made.model_dump(mode="json", exclude=_COSTS), "")) for made in (before, now))
    keys = [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]
    places = [
        f"preset.{place}" for place in (*(f"gates.{one}" for one in failed[:1]), "training", "model", "data")
    ]
    keys.sort(
        key=lambda key: next((n for n, place in enumerate(places) if key.startswith(place)), len(places))
    )
    for key in keys[:_MOST]:
        was, now_is = (short(values.get(key, "not there"), _LONG) for values in (first, second))
        yield key, was, now_is
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
