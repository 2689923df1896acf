from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from mtmd.config import CrossConfig, Preset
from mtmd.model.batch import Batch
from mtmd.run import RunPlan
from mtmd.train.cross import cross_key, distillation
from mtmd.train.distil import Distillation
from mtmd.train.results import Progress
from tests.conftest import FIRST_DAY
from tests.train.windows import RandomWindow, with_training

CROSS = CrossConfig(tower_widths=(8,), meeting_width=8, pair_widths=(8,), epochs=2)


def plan_in(directory: Path, preset: Preset, **changes: object) -> RunPlan:
    preset = with_training(preset, **({"distil": 0.5, "cross": CROSS} | changes))
    days = tuple(FIRST_DAY + timedelta(days=day) for day in range(preset.window_days))
    return RunPlan(
        as_of=days[-1] + timedelta(days=1), days=days, preset=preset, logs="logs", artifacts=str(directory)
    )


class Spent(RandomWindow):
    """A window that must not be trained on again."""

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]:
        raise AssertionError(f"epoch {epoch} was asked for")


def assert_same(one: Distillation, other: Distillation) -> None:
    weights = other.cross.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in one.cross.state_dict().items())


def test_a_windows_cross_model_is_trained_once_and_made_again_when_damaged(
    tiny_preset: Preset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan, reports = plan_in(tmp_path, tiny_preset), list[Progress]()
    data, spent = (kind(tiny_preset.declarations) for kind in (RandomWindow, Spent))
    first, seconds = distillation(plan, "window", data, reports.append)
    assert seconds > 0
    assert {report.kind for report in reports} == {"cross"}
    assert reports[-1].step == reports[-1].steps == 6
    place = plan.workspace.trained("cross", cross_key("window", plan.preset))
    assert {path.name for path in place.iterdir()} == {"weights.safetensors", "fit.json", "manifest.json"}
    assert [path.name for path in (plan.workspace.root / "work").iterdir()] == [f"{place.name}.lock"]
    assert (first.name, first.pairs, first.seed) == (cross_key("window", plan.preset), 16, 0)
    # Others that are taught by it find it, whatever they learn of it.
    other = plan_in(tmp_path, tiny_preset, distil=2.0, distil_pairs=3)
    again, seconds = distillation(other, "window", spent)
    assert seconds == 0.0
    assert again.pairs == 3
    assert_same(first, again)
    weights = place / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    again, seconds = distillation(plan, "window", data)
    assert seconds > 0
    assert "is made again, because its files are not as its manifest says" in caplog.text
    assert_same(first, again)


def test_a_training_of_it_that_was_killed_goes_on_to_the_same_bits(
    tiny_preset: Preset, tmp_path: Path
) -> None:
    data = RandomWindow(tiny_preset.declarations)

    def die(progress: Progress) -> None:
        raise KeyboardInterrupt

    stopped = plan_in(tmp_path / "stopped", tiny_preset)
    with pytest.raises(KeyboardInterrupt):
        distillation(stopped, "window", data, die)
    reports: list[Progress] = []
    found, _ = distillation(stopped, "window", data, reports.append)
    assert {report.epoch for report in reports} == {2}
    assert_same(found, distillation(plan_in(tmp_path / "undisturbed", tiny_preset), "window", data)[0])


def test_its_name_has_what_decides_its_weights_and_nothing_else(tiny_preset: Preset, tmp_path: Path) -> None:
    preset = plan_in(tmp_path, tiny_preset).preset

    def key(**changes: object) -> str:
        return cross_key("window", with_training(preset, **changes))

    def of_model(**changes: object) -> str:
        return cross_key(
            "window", preset.model_copy(update={"model": preset.model.model_copy(update=changes)})
        )

    same = [key(distil=9.0), key(distil_pairs=1), key(level_days=3), key(patience=9), key(learning_rate=0.3)]
    same += [key(epochs=9), of_model(cross_layers=0), of_model(norm="post")]
    assert set(same) == {key()}
    others = [
        cross_key("another window", preset),
        key(seed=1),
        key(validation_fraction=0.1),
        key(sample_fraction=0.5),
        key(score_power=0.5),
        key(cross=CROSS.model_copy(update={"epochs": 3})),
        key(cross=CROSS.model_copy(update={"meeting_width": 9})),
        of_model(clip=3.0),
        of_model(missing_numbers="zero"),
    ]
    assert len({key(), *others}) == 10
