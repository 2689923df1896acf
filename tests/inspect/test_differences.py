"""What differs in how two models or runs were made."""

import json

from mtmd.inspect.differences import differences
from mtmd.report.made import flat
from mtmd.store.files import read_json, remove
from tests.inspect.conftest import FIRST, SECOND, Line, metrics

PRESET = {"name": "tiny", "training": {"seed": 0}, "tasks": [{"name": "ctr", "label": "clicked"}]}


def _found(line: Line, first: str, second: str) -> list[tuple[str, str, str | None, str | None]]:
    found = differences(line.workspace, first, second)
    assert found.notes == ()
    return [(one.what, one.key, one.first, one.second) for one in found.differences]


def test_presets_formats_packages_seeds_and_days_are_compared(two_models: Line) -> None:
    two_models.decide("20260125-a1", FIRST, preset=PRESET)
    changed = {"name": "tiny", "training": {"seed": 1, "epochs": 2}, "tasks": PRESET["tasks"]}
    packages = {"torch": "2.14.0", "python": "3.11.7"}
    two_models.decide("20260126-b1", SECOND, preset=changed, packages=packages, formats=2)
    assert _found(two_models, "champion", "20260126") == [
        ("package", "torch", "2.13.0", "2.14.0"),
        ("preset", "training.seed", "0", "1"),
        ("preset", "training.epochs", None, "2"),
        ("format", "training", "1", "2"),
        ("seed", "training", "0", "1"),
        ("data", "as_of", "2026-01-25", "2026-01-26"),
        ("data", "training days", "2026-01-22 to 2026-01-24 (3)", "2026-01-23 to 2026-01-25 (3)"),
        ("data", "held-out shard", "f" * 10, "e" * 10),
    ]


def test_two_runs_of_one_model_differ_in_what_they_were_made_with(two_models: Line) -> None:
    first = two_models.decide("20260125-a1", FIRST, preset=PRESET)
    second = two_models.decide("20260125-a1", FIRST, preset=PRESET | {"logs": "logs/new"})
    assert _found(two_models, first.name, second.name) == [("preset", "logs", None, "logs/new")]
    assert _found(two_models, first.name, first.name) == []


def test_a_run_whose_model_was_removed_is_compared_by_its_record(two_models: Line) -> None:
    first = two_models.decide("20260125-a1", FIRST, preset=PRESET)
    second = two_models.decide("20260125-gone", FIRST, preset=PRESET)
    found = {(what, a is None, b is None) for what, _, a, b in _found(two_models, first.name, second.name)}
    assert found == {("seed", False, True), ("data", False, True)}


def test_an_older_record_is_said_and_the_declarations_are_compared(two_models: Line) -> None:
    two_models.decide("20260125-a1", FIRST)
    two_models.decide("20260126-b1", SECOND, preset=PRESET)
    found = differences(two_models.workspace, "20260125", "20260126")
    (note,) = found.notes
    assert note.startswith("the preset and the formats of 20260125 are not recorded")
    assert {one.what for one in found.differences} == {"seed", "data"}  # the same declarations


def test_without_any_record_the_manifests_are_compared(two_models: Line) -> None:
    found = differences(two_models.workspace, "20260125", "20260126")
    assert len(found.notes) == 2
    assert (found.first, found.second) == ("20260125-a1", "20260126-b1")
    run = two_models.decide("20260125-a1", FIRST)
    remove(two_models.registry.path("20260125-a1"))
    bare = differences(two_models.workspace, run.name, "20260126")
    assert ("code", "None", "c0ffee") in [(one.what, one.first, one.second) for one in bare.differences]


def test_a_training_day_whose_logs_changed_is_named(two_models: Line) -> None:
    two_models.model("20260127-c1", SECOND, metrics(SECOND, 0.4), held_out="e" * 64)
    manifest = two_models.registry.path("20260127-c1") / "manifest.json"
    day = f"{(SECOND - (SECOND - FIRST)).toordinal():064d}"
    text = json.dumps(read_json(manifest))  # without its seal
    assert day in text
    manifest.write_text(text.replace(day, "9" * 64))
    found = differences(two_models.workspace, "20260126-b1", "20260127-c1")
    assert ("shard of 2026-01-25", "0000000000", "9999999999") in [
        (one.key, one.first, one.second) for one in found.differences
    ]


def test_values_are_flat_and_named_tables_go_by_their_names() -> None:
    values = {
        "seed": 1,
        "layers": [2, 3],
        "none": None,
        "empty": {},
        "tasks": [{"name": "ctr", "label": "clicked"}, {"name": "gctr", "deep": {"weight": 0.5}}],
    }
    assert dict(flat(values)) == {
        "seed": "1",
        "layers": "[2, 3]",
        "none": "null",
        "empty": "{}",
        "tasks (order)": "ctr, gctr",
        "tasks.ctr.label": "clicked",
        "tasks.gctr.deep.weight": "0.5",
    }
