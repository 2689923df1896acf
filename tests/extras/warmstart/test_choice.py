"""What a day goes on from: the champion of an earlier day, unless something speaks for a full retrain."""

import logging
import re
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Preset
from mtmd.evaluate import stage as evaluate_stage
from mtmd.extract.window import window_fingerprint
from mtmd.extras.warmstart.start import _warm, shorter
from mtmd.registry.records import StartedFrom
from mtmd.report.document import markdown
from mtmd.report.line import lineage
from mtmd.report.stage import write_report
from mtmd.report.view import decision
from mtmd.run import plan_run
from mtmd.store.files import read_json, write_json
from mtmd.train.results import MOMENTS
from mtmd.train.stage import training_key
from tests.daily import run_stages
from tests.extras.warmstart.conftest import PRESET, Line
from tests.flows.runs import AS_OF, NEXT, Run, copied, run_daily
from tests.promote.test_race import BETTER, CONTESTANT, record

LATER = NEXT + timedelta(days=1)


def test_the_first_day_is_a_full_retrain_and_the_next_goes_on_from_it(warm_line: Line) -> None:
    first, second, run = warm_line.first, warm_line.second, warm_line.next_run
    assert first.start == "a full retrain: no model of an earlier day is champion, or could become it again"
    assert first.promoted
    start = run.candidate.start
    assert start is not None
    assert (start.model_id, start.as_of, start.full_model_id) == (first.model_id, AS_OF, first.model_id)
    assert (start.days, start.epochs, start.rate) == (6, 2, 0.5)
    assert len(run.candidate.fit.epochs) <= 2
    assert [model.start for model in run.trained[1:]] == [None, None]
    assert second.start == (
        f"goes on from {first.model_id} (as_of {AS_OF}) over the newest 6 days; the last full retrain is "
        f"{first.model_id} of {AS_OF}"
    )
    manifest = warm_line.registry.manifest(second.model_id)
    assert manifest.training == run.candidate.key
    assert manifest.started_from == StartedFrom(
        model_id=first.model_id, full_model_id=first.model_id, full_as_of=AS_OF
    )
    assert warm_line.registry.manifest(first.model_id).started_from is None


def test_the_anchor_is_compared_and_people_read_what_was_started_from(warm_line: Line) -> None:
    second, run = warm_line.second, warm_line.next_run
    gates = [gate.name for gate in second.verdict.gates]
    assert gates[2:6] == ["champion", "baseline", "calibration", "anchor"]
    assert "anchor" not in [gate.name for gate in warm_line.first.verdict.gates]
    # It is the champion too, so it is scored once.
    assert run.evaluated.further == {"anchor": warm_line.first.model_id}
    assert "anchor" not in run.evaluated.report.predictors
    assert second.start in markdown(decision(second))
    assert second.start in write_report(run, second).read_text()
    first, (_, *rows) = warm_line.first.model_id, lineage(warm_line.registry.manifest(second.model_id)).rows
    assert ("started from", f"{first}; last full retrain: {first}") in rows
    assert ("architecture", "mtmd") in rows


def test_the_anchor_is_scored_beside_a_champion_that_went_on_from_it(line: Line) -> None:
    """Another candidate of the second day meets that day's champion, and the first day's full retrain."""
    run = line.next_run
    other = (run.candidate.model_copy(update={"key": "f" * 64}), *run.trained[1:])
    evaluated = evaluate_stage.evaluate(line.plan(), other, run.days, "20260122-another")
    assert evaluated.incumbent.compared == line.second.model_id
    assert evaluated.further == {"anchor": line.first.model_id}
    report, before = evaluated.report, run.evaluated.report
    for where in report.aggregates:
        assert report.get("anchor", where) == before.get("champion", where).model_copy(
            update={"predictor": "anchor"}
        )
        logmae = report.get("champion", where).logmae
        assert logmae == pytest.approx(before.get("mtmd", where).logmae, rel=1e-3)
    fresh = evaluate_stage.evaluate(line.plan(on=False), other, run.days, "20260122-another")
    assert fresh.further == {}
    assert "anchor" not in fresh.report.predictors


def test_the_flow_makes_the_same_training_and_leaves_ablations_to_full_retrains(line: Line) -> None:
    """All of the day's outputs are there."""
    trained = line.registry.root / "trained"
    before = {path.name for path in trained.iterdir()}
    run = run_daily(as_of=NEXT, logs=line.logs, artifacts=line.artifacts, preset=line.preset, ablations=True)
    assert run.summary.repeated
    assert (run.summary.model_id, run.summary.start) == (line.second.model_id, line.second.start)
    assert {path.name for path in trained.iterdir()} == before
    assert line.second.start in run.published["verdict"]
    assert "ablation" not in run.published


def test_the_third_day_goes_on_from_the_second_and_is_anchored_to_the_first(warm_line: Line) -> None:
    plan = warm_line.plan(LATER)
    start = warm_line.choose(plan).start
    assert start is not None
    assert (start.model_id, start.full_model_id) == (warm_line.second.model_id, warm_line.first.model_id)
    window, preset = window_fingerprint(warm_line.next_run.days.window), plan.preset
    assert training_key("mtmd", window, preset) == training_key(
        "mtmd", window, warm_line.plan(LATER, on=False).preset
    )
    keys = {
        training_key("mtmd", window, preset, other)
        for other in (None, start, start.model_copy(update={"training": "f" * 64}),
                      start.model_copy(update={"days": 7}), start.model_copy(update={"rate": 0.1}))
    }  # fmt: skip
    assert len(keys) == 5


def test_days_that_the_champion_has_not_seen_are_all_trained_on(line: Line) -> None:
    """Its window ends before AS_OF; here the day is five days later."""
    line.registry.rollback("a bad day", check=lambda directory: directory)
    as_of, kept = AS_OF + timedelta(days=5), line.registry.manifest(line.first.model_id).window
    window = {as_of - timedelta(days=n): "f" for n in range(1, 21)}
    window |= {day: shard for day, shard in kept.items() if day in window}
    for days, trained_on in ((6, 6), (2, 5)):  # AS_OF and four more
        start = line.choose(line.plan(days=days).model_copy(update={"as_of": as_of}), window).start
        assert start is not None
        assert start.days == trained_on
    plan = line.plan(days=2).model_copy(update={"as_of": as_of})
    domains = plan.preset.domains
    late = domains.tasks[0].model_copy(update={"learn_from": "actions", "maturity": 9})
    domains = domains.model_copy(update={"tasks": (late, *domains.tasks[1:])})
    plan = plan.model_copy(update={"preset": plan.preset.model_copy(update={"domains": domains})})
    start = _warm(plan, line.registry.manifest(line.first.model_id), window).start
    assert start is not None
    assert start.days == 9  # of the oldest the labels are final


def test_a_rival_that_earlier_days_chose_goes_on_from_its_own_training(
    first_run: Run, tmp_path: Path
) -> None:
    """At half of its own rate; what it races against is trained in full."""
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts", champion=False)
    preset = tmp_path / "race.toml"
    preset.write_text(f"{PRESET}{CONTESTANT}[rivals.per_slice]\nevery_days = 0\n")
    given = first_run.logs, artifacts
    plan = plan_run(AS_OF, str(preset), logs=str(given[0]), artifacts=str(given[1]))
    for back in range(1, 7):
        record(plan, first_run, back, BETTER)
    first = run_stages(*given, preset=str(preset)).decide()
    run = run_stages(*given, NEXT, str(preset))
    start = run.candidate.start
    assert start is not None
    assert (run.candidate.kind, start.model_id) == ("pooled", first.model_id)
    assert (len(run.candidate.fit.epochs), [one.start for one in run.trained[1:]]) == (2, [None])
    changed = [shorter(plan.preset, kind, start) for kind in ("pooled", "mtmd")]
    usual = plan.preset.training_of("pooled").learning_rate
    assert [one.training_of("pooled").learning_rate for one in changed] == [0.5 * usual, usual]


# ---- full retrains -------------------------------------------------------------------------------


def test_a_full_retrain_is_due_after_its_days(warm_line: Line) -> None:
    """The first day was one: two days later it is two days old."""
    for most, due in ((1, True), (2, True), (3, False)):
        chosen = warm_line.choose(warm_line.plan(LATER, full_every_days=most))
        assert (chosen.start is None) == due
        assert (f"the last full retrain is of {AS_OF} (full_every_days {most})" in chosen.words) == due


def test_a_model_that_saw_the_held_out_day_is_refused(line: Line) -> None:
    path = line.registry.path(line.second.model_id) / "manifest.json"
    manifest = read_json(path)
    for window, words in (
        (
            {str(day): "f" for day in (AS_OF, LATER)},
            f"it was trained on {LATER}, which is not before {LATER}",
        ),
        ({}, "its manifest names no training days"),
    ):
        write_json(path, manifest | {"window": window})
        chosen = line.choose(line.plan(LATER))
        assert chosen.start is None
        assert chosen.words.endswith(f"because {words}")


@pytest.mark.parametrize("damage", ["file", "all"])
def test_a_damaged_start_means_a_full_retrain_and_a_warning(
    line: Line, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    directory = line.plan().workspace.trained("mtmd", line.next_run.candidate.key)
    if damage == "file":
        (directory / MOMENTS).unlink()
    else:
        shutil.rmtree(directory)
    with caplog.at_level(logging.WARNING):
        chosen = line.choose(line.plan(LATER))
    assert chosen.start is None
    assert "is missing, or its files are not as its manifest says" in chosen.words
    assert "a full retrain is made" in caplog.text


def test_a_champion_whose_manifest_cannot_be_read_is_passed_over(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    (line.registry.path(line.second.model_id) / "manifest.json").write_text("{")
    start = line.choose(line.plan(LATER)).start
    assert start is not None
    assert start.model_id == line.first.model_id
    assert "is passed over" in caplog.text


CHANGED = "because the preset or the code has changed: "


@pytest.mark.parametrize(
    ("section", "changes", "words"),
    [
        ("training", {"seed": 3}, f"{CHANGED}.*training"),
        ("training", {"precision": "bfloat16"}, f"{CHANGED}.*training"),
        ("model", {"cross_rank": 8}, f"{CHANGED}.*model"),
        ("features", (), f"{CHANGED}.*declarations"),
        ("model", {"architecture": "plain"}, "because it is mtmd, and the day's candidate is plain$"),
    ],
)
def test_another_recipe_means_a_full_retrain(
    warm_line: Line, section: str, changes: dict[str, Any] | tuple[()], words: str
) -> None:
    plan = warm_line.plan(LATER)
    values = plan.preset.model_dump()
    kept = {} if "architecture" in changes else values[section]
    values[section] = values[section][:-1] if section == "features" else kept | changes
    chosen = warm_line.choose(plan.model_copy(update={"preset": Preset.model_validate(values)}))
    assert chosen.start is None
    assert re.search(words, chosen.words)


def test_logs_that_were_delivered_anew_mean_a_full_retrain(warm_line: Line) -> None:
    """Also where a day that it learned from is left out by now."""
    window = warm_line.window
    day = date(2026, 1, 15)
    for other in (window | {day: "f" * 64}, {one: shard for one, shard in window.items() if one != day}):
        chosen = warm_line.choose(warm_line.plan(LATER), other)
        assert chosen.start is None
        assert f"logs of {day} are not those it was trained on" in chosen.words
