"""Trainings that go on from another one: what they start with, that they repeat, and that they can be resumed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mtmd.config import Preset
from mtmd.errors import TrainingError
from mtmd.extras.warmstart.start import GoneOn, Kept, NewestDays
from mtmd.model.ranker import RankingModel, build_model
from mtmd.train.optimizer import make_optimizer
from mtmd.train.results import MOMENTS, WEIGHTS, FitResult, Progress, Start, save_tensors
from mtmd.train.trainer import fit, start
from tests.flows.runs import AS_OF
from tests.train.windows import RandomWindow, pinned_preset, with_training


class StopError(Exception):
    """Raised by a callback."""


@pytest.fixture(scope="module")
def preset() -> Preset:
    return pinned_preset()


@pytest.fixture(scope="module")
def earlier(preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the weights of a training, and its moments beside them."""
    place = tmp_path_factory.mktemp("earlier")
    data, settings = RandomWindow(preset.declarations), with_training(preset, epochs=2)
    model, _ = fit("mtmd", data, settings, place / "work", opening=Kept(place))
    save_tensors(model.state_dict(), place / WEIGHTS)
    return place


def _opening(earlier: Path, directory: Path) -> GoneOn:
    begun = Start(
        model_id="m",
        as_of=AS_OF,
        training="t",
        full_model_id="m",
        full_as_of=AS_OF,
        days=2,
        epochs=2,
        rate=0.5,
    )
    return GoneOn(directory, begun, earlier)


def _fit(
    earlier: Path, preset: Preset, work: Path, stop: int | None = None
) -> tuple[RankingModel, FitResult]:
    def look(progress: Progress) -> None:
        if progress.validation_loss is not None and progress.epoch == stop:
            raise StopError

    newest, whole = RandomWindow(preset.declarations, 2), RandomWindow(preset.declarations, 4)
    work.mkdir(exist_ok=True)
    return fit("mtmd", NewestDays(newest, whole), preset, work, look, opening=_opening(earlier, work))


def test_a_model_starts_with_the_weights_and_moments_and_its_own_windows_statistics(
    preset: Preset, earlier: Path
) -> None:
    """On the same window that is the very model, down to the bits of its answers."""
    window = RandomWindow(preset.declarations)
    model = build_model("mtmd", preset)
    start(model, window, 32)
    optimizer = make_optimizer(model, preset.training)
    _opening(earlier, earlier).begin(model, optimizer)
    stored = build_model("mtmd", preset)
    stored.load_state_dict(load_file(earlier / WEIGHTS))
    assert torch.equal(model.eval()(window.held_out), stored.eval()(window.held_out))
    moments = load_file(earlier / MOMENTS)
    for name, parameter in model.named_parameters():
        for slot in ("step", "exp_avg", "exp_avg_sq"):
            assert torch.equal(optimizer.state[parameter][slot], moments[f"{slot}/{name}"]), name
    assert moments["step/query.bias"] == 6  # two epochs of three batches
    assert moments["exp_avg_sq/query.adaptation.tables.tables.0"].sum() > 0


def test_statistics_are_those_of_the_whole_window_and_batches_those_of_the_newest_days(
    preset: Preset,
) -> None:
    newest, whole = (RandomWindow(preset.declarations, n, rate) for n, rate in ((2, 0.5), (4, 0.1)))
    data = NewestDays(newest, whole)
    assert [len(list(data.epoch(epoch, 32))) for epoch in (0, 1)] == [4, 2]
    assert data.steps(32) == 2
    assert data.base_rates() is whole.base_rates()
    assert next(iter(data.validation(32))) is whole.held_out


def test_a_warm_training_repeats_bit_by_bit_and_resumes_where_it_was_stopped(
    preset: Preset, earlier: Path, tmp_path: Path
) -> None:
    preset = with_training(preset, epochs=2)
    first, result = _fit(earlier, preset, tmp_path / "a")
    with pytest.raises(StopError):
        _fit(earlier, preset, tmp_path / "b", stop=1)
    resumed, again = _fit(earlier, preset, tmp_path / "b")
    for one, other in (
        (dict(first.state_dict()), dict(resumed.state_dict())),
        (load_file(tmp_path / "a" / MOMENTS), load_file(tmp_path / "b" / MOMENTS)),
    ):
        assert one.keys() == other.keys()
        assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert [e.train_loss for e in result.epochs] == [e.train_loss for e in again.epochs]
    fresh, _ = fit("mtmd", RandomWindow(preset.declarations, 2), preset, tmp_path / "c")
    assert not torch.equal(fresh.state_dict()["query.bias"], first.state_dict()["query.bias"])


def test_a_checkpoint_of_another_opening_is_not_gone_on_from(
    preset: Preset, earlier: Path, tmp_path: Path
) -> None:
    preset = with_training(preset, epochs=2)
    with pytest.raises(StopError):
        _fit(earlier, preset, tmp_path, stop=1)
    with pytest.raises(TrainingError, match="is of training"):
        fit("mtmd", RandomWindow(preset.declarations, 2), preset, tmp_path)
