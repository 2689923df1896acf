from pathlib import Path

from mtmd.config import CrossConfig, Preset
from mtmd.store.files import locked
from mtmd.train import stage as train_stage
from mtmd.train.results import Progress
from mtmd.train.stage import load_trained, window_data
from tests.daily import Done
from tests.flows.runs import half_written


def test_the_same_window_is_trained_once(done: Done) -> None:
    first = done.trained[0]
    again = train_stage.train(done.plan, "mtmd", done.days.window)
    assert again == first
    assert again.reused
    assert again.path == str(done.plan.workspace.trained("mtmd", first.key))
    assert half_written(Path(done.plan.artifacts)) == []  # no checkpoint is left


def test_two_trainings_of_one_kind_do_not_wait_for_each_other(done: Done) -> None:
    """Each has a lock of its own: another recipe's may be held for hours."""
    one = done.trained[0]
    locks = {path.name for path in (done.plan.workspace.root / "work").glob("*.lock")}
    assert {f"{trained.kind}-{trained.key[:16]}.lock" for trained in done.trained} == locks
    with locked(done.plan.workspace.work("mtmd", "f" * 64).with_name("mtmd-ffffffffffffffff.lock")):
        assert train_stage.train(done.plan, "mtmd", done.days.window) == one


def test_every_candidate_of_the_window_is_trained_or_validated_on_and_no_other(done: Done) -> None:
    data = window_data(done.plan, done.days.window)
    pairs = sum(len(batch.candidate) for batch in (*data.epoch(0, 64), *data.validation(64)))
    assert pairs == sum(ref.candidates for ref in done.days.window)


def test_a_loaded_model_is_in_evaluation_mode(done: Done) -> None:
    assert not load_trained(done.plan, done.trained[0]).training


def test_models_of_a_run_are_distilled_from_one_cross_model(done: Done, tmp_path: Path) -> None:
    cross = CrossConfig(tower_widths=(), meeting_width=4, pair_widths=(4,), epochs=1)
    training = done.plan.preset.training.model_copy(update={"epochs": 1, "distil": 0.5, "cross": cross})
    preset = done.plan.preset.model_copy(update={"training": training})
    plan = done.plan.model_copy(update={"preset": preset, "artifacts": str(tmp_path)})
    reports: list[Progress] = []
    pooled, mtmd = (
        train_stage.train(plan, kind, done.days.window, reports.append) for kind in ("pooled", "mtmd")
    )
    trained = {path.name.partition("-")[0] for path in (plan.workspace.root / "trained").iterdir()}
    assert trained == {"cross", "mtmd", "pooled"}
    assert list(dict.fromkeys(report.kind for report in reports)) == ["cross", "pooled", "mtmd"]
    assert pooled.fit.cross_seconds > 0 == mtmd.fit.cross_seconds  # it was trained for the first, and stored
    assert pooled.fit.seconds == pooled.fit.epochs[0].seconds + pooled.fit.cross_seconds
    others = {done.trained[0].key, *(train_stage.training_key("mtmd", "w", p) for p in _distilling(preset))}
    assert len(others) == 4
    assert load_trained(plan, mtmd).parents == plan.preset.domains.parents


def _distilling(preset: Preset) -> list[Preset]:
    changes = ({}, {"distil": 0.6}, {"cross": CrossConfig(epochs=3)})
    return [
        preset.model_copy(update={"training": preset.training.model_copy(update=change)})
        for change in changes
    ]
