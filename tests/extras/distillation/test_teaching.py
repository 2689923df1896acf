"""The cross model of a window: trained once, and what names it."""

from datetime import timedelta
from pathlib import Path

import pytest
import torch

from mtmd.config import Preset
from mtmd.extract.shards import ShardRef
from mtmd.extract.stage import extract_day
from mtmd.extract.window import window_fingerprint
from mtmd.extras.distillation.pairs import Distillation
from mtmd.extras.distillation.teaching import cross_key, teaching
from mtmd.logs.source import LogSource
from mtmd.run import RunPlan
from mtmd.train.results import Progress
from mtmd.train.stage import TrainingJob, load_trained, train, training_key
from tests.conftest import FIRST_DAY
from tests.train.windows import with_extra, with_training

CROSS = {"tower_widths": (8,), "meeting_width": 8, "pair_widths": (8,), "epochs": 2}
DAYS = tuple(FIRST_DAY + timedelta(days=day) for day in range(2))


@pytest.fixture(scope="module")
def window(tiny_logs: Path, tmp_path_factory: pytest.TempPathFactory, preset: Preset) -> list[ShardRef]:
    root = tmp_path_factory.mktemp("shards")
    return [extract_day(LogSource(tiny_logs), day, preset.declarations, root) for day in DAYS]


@pytest.fixture(scope="module")
def preset(tiny_preset: Preset) -> Preset:
    return with_extra(with_training(tiny_preset, epochs=1), "distillation", weight=0.5, **CROSS)


def plan_in(directory: Path, preset: Preset) -> RunPlan:
    as_of = DAYS[-1] + timedelta(days=1)
    return RunPlan(as_of=as_of, days=DAYS, preset=preset, logs="logs", artifacts=str(directory))


def job_in(directory: Path, preset: Preset, window: list[ShardRef]) -> TrainingJob:
    return TrainingJob(
        plan=plan_in(directory, preset),
        kind="mtmd",
        variant=None,
        window=tuple(window),
        start=None,
        work=str(directory / "work"),
        directory=str(directory),
    )


def taught(job: TrainingJob, reports: list[Progress] | None = None) -> Distillation:
    found = teaching(job, None if reports is None else reports.append)
    assert found is not None
    return found


def assert_same(one: Distillation, other: Distillation) -> None:
    weights = other.cross.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in one.cross.state_dict().items())


def test_a_windows_cross_model_is_trained_once_and_made_again_when_damaged(
    preset: Preset, window: list[ShardRef], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job, reports = job_in(tmp_path, preset, window), list[Progress]()
    first, key = taught(job, reports), cross_key(window_fingerprint(window), preset)
    assert first.seconds > 0
    assert {report.kind for report in reports} == {"cross"}
    place = job.plan.workspace.trained("cross", key)
    assert {path.name for path in place.iterdir()} == {"weights.safetensors", "fit.json", "manifest.json"}
    assert (first.name, first.pairs, first.weight) == (key, 16, 0.5)
    # Others that are taught by it find it, whatever they learn of it.
    again = taught(job_in(tmp_path, with_extra(preset, "distillation", weight=2.0, pairs=3), window))
    assert (again.seconds, again.pairs, again.weight) == (0.0, 3, 2.0)
    assert_same(first, again)
    weights = place / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    again = taught(job)
    assert again.seconds > 0
    assert "is made again, because its files are not as its manifest says" in caplog.text
    assert_same(first, again)
    assert teaching(job_in(tmp_path, with_extra(preset, "distillation", weight=0.0), window), None) is None


def test_a_training_of_it_that_was_killed_goes_on_to_the_same_bits(
    preset: Preset, window: list[ShardRef], tmp_path: Path
) -> None:
    def die(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teaching(job_in(tmp_path / "stopped", preset, window), die)
    reports: list[Progress] = []
    found = taught(job_in(tmp_path / "stopped", preset, window), reports)
    assert {report.epoch for report in reports} == {2}
    assert_same(found, taught(job_in(tmp_path / "undisturbed", preset, window)))


def test_models_of_a_run_are_taught_by_one_cross_model(
    preset: Preset, window: list[ShardRef], tmp_path: Path
) -> None:
    plan, reports = plan_in(tmp_path, preset), list[Progress]()
    pooled, mtmd = (train(plan, kind, window, reports.append) for kind in ("pooled", "mtmd"))
    trained = {path.name.partition("-")[0] for path in (plan.workspace.root / "trained").iterdir()}
    assert trained == {"cross", "mtmd", "pooled"}
    assert list(dict.fromkeys(report.kind for report in reports)) == ["cross", "pooled", "mtmd"]
    assert pooled.fit.taught_seconds > 0 == mtmd.fit.taught_seconds  # trained for the first, and stored
    assert pooled.fit.seconds == pooled.fit.epochs[0].seconds + pooled.fit.taught_seconds
    assert load_trained(plan, mtmd).parents == preset.domains.parents
    changed = (
        preset,
        *(with_extra(preset, "distillation", **one) for one in ({"weight": 0.6}, {"epochs": 3})),
    )
    assert len({training_key("mtmd", "w", one) for one in changed}) == 3


def test_its_name_has_what_decides_its_weights_and_nothing_else(preset: Preset) -> None:
    def key(**changes: object) -> str:
        return cross_key("window", with_training(preset, **changes))

    def of_model(**changes: object) -> str:
        return cross_key(
            "window", preset.model_copy(update={"model": preset.model.model_copy(update=changes)})
        )

    def of_cross(**changes: object) -> str:
        return cross_key("window", with_extra(preset, "distillation", **changes))

    same = [
        of_cross(weight=9.0),
        of_cross(pairs=1),
        key(level_days=3),
        key(learning_rate=0.3),
    ]
    same += [key(epochs=9), of_model(cross_layers=0), of_model(norm="post")]
    assert set(same) == {key()}
    others = [
        cross_key("another window", preset),
        key(seed=1),
        key(validation_fraction=0.1),
        key(sample_fraction=0.5),
        key(score_power=0.5),
        of_cross(epochs=3),
        of_cross(meeting_width=9),
        of_model(statistics="batch"),
    ]
    assert len({key(), *others}) == 9
