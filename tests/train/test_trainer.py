from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mtmd.config import Preset, TrainingConfig
from mtmd.errors import TrainingError
from mtmd.model.ranker import build_model
from mtmd.train import stage as train_stage
from mtmd.train.results import FILE, FitResult, Progress
from mtmd.train.stage import window_data
from mtmd.train.trainer import fit, start
from tests.daily import Done
from tests.flows.runs import half_written
from tests.model.random_batches import random_batch
from tests.train.windows import RandomWindow, assert_same, with_scores, with_training

BATCHES = 12  # a report comes after ten steps: in the middle of an epoch


@pytest.fixture
def window(tiny_preset: Preset) -> RandomWindow:
    return RandomWindow(tiny_preset.declarations)


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """As many threads for torch's products as the test asks for."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def undisturbed(
    tiny_preset: Preset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Tensor], FitResult]:
    """What training over `BATCHES` batches gives when nothing happens to it."""
    data = RandomWindow(tiny_preset.declarations, BATCHES)
    model, result = fit("mtmd", data, tiny_preset, tmp_path_factory.mktemp("undisturbed"))
    return dict(model.state_dict()), result


def timeless(result: FitResult) -> FitResult:
    epochs = tuple(record.model_copy(update={"seconds": 0.0}) for record in result.epochs)
    return result.model_copy(update={"epochs": epochs})


class StopError(Exception):
    """Raised by a callback."""


# ---- what comes out ------------------------------------------------------------------------------


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    ("kind", "precision", "threads"),
    [("mtmd", "float32", 2), ("mtmd", "bfloat16", 1), ("per_slice", "float32", 2), ("pooled", "float32", 1)],
    indirect=["threads"],
)
def test_the_same_inputs_give_the_same_weights(
    kind: str, precision: str, window: RandomWindow, tiny_preset: Preset, tmp_path: Path
) -> None:
    preset = with_training(tiny_preset, epochs=2, precision=precision)
    first, result = fit(kind, window, preset, tmp_path / "a")
    torch.manual_seed(99)  # the caller's generators must not matter, and are left alone
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    second, again = fit(kind, window, preset, tmp_path / "b")
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.random.get_state()[1].tolist() == numpy_before
    assert_same(dict(first.state_dict()), dict(second.state_dict()))
    assert timeless(result) == timeless(again)
    assert result.precision == precision
    assert not first.training


def test_the_record_holds_what_the_returned_model_scores(
    window: RandomWindow, tiny_preset: Preset, tmp_path: Path
) -> None:
    model, result = fit("mtmd", window, tiny_preset, tmp_path)
    with torch.no_grad():
        log_p = model(window.held_out).double().numpy()
    teacher = window.held_out.teacher.double().numpy()
    p = np.exp(log_p)
    kl = teacher * np.log(teacher / p) + (1 - teacher) * np.log((1 - teacher) / (1 - p))
    best = result.epochs[result.best_epoch - 1]
    means = np.nanmean(kl, axis=0)
    assert best.validation_loss == pytest.approx(np.average(means, weights=[2, 1, 1]), rel=1e-4)
    logmae = np.nanmean(np.abs(log_p - np.log(teacher)), axis=0)
    assert best.validation_logmae == pytest.approx(
        dict(zip(("ctr", "gctr", "octr"), logmae, strict=True)), rel=1e-4
    )
    assert best.validation_loss == min(record.validation_loss for record in result.epochs)
    assert len(result.epochs) == 3
    assert result.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert result.rows_per_s > 0


def test_validation_counts_a_batch_by_its_weight(
    window: RandomWindow, tiny_preset: Preset, tmp_path: Path
) -> None:
    validation = [window.held_out, replace(random_batch(tiny_preset.declarations, seed=1), weight=0.5)]
    window.validation = lambda _: iter(validation)  # type: ignore[method-assign]
    model, result = fit("mtmd", window, tiny_preset, tmp_path)
    with torch.no_grad():
        errors = torch.cat(
            [batch.weight * (model(batch) - batch.teacher.log()).abs() for batch in validation]
        )
    counts = sum(batch.weight * (~batch.teacher.isnan()).sum(dim=0) for batch in validation)
    found = result.epochs[result.best_epoch - 1].validation_logmae.values()
    assert list(found) == pytest.approx((errors.nansum(dim=0) / counts).tolist(), rel=1e-4)


def test_a_model_starts_with_the_windows_rates_and_the_statistics_of_all_its_batches(
    window: RandomWindow, tiny_preset: Preset
) -> None:
    model, other = (build_model("mtmd", tiny_preset) for _ in range(2))
    other.initialise_bias(window.base_rates())
    for batch in window.training:
        other.observe(batch)
    start(model, window, 32)
    for name, value in model.state_dict().items():
        # Sums in another order: epoch 0 has an order of its own.
        assert value.allclose(other.state_dict()[name], rtol=1e-12, equal_nan=True), name
    assert model.get_parameter("query.bias").abs().min() > 1
    seen = model.get_buffer("query.adaptation.domains.0.norm.count")
    assert 0 < seen.max() <= sum(batch.query.counts[0] for batch in window.training)


# ---- when it ends --------------------------------------------------------------------------------


def test_the_best_epochs_weights_are_kept(
    window: RandomWindow, tiny_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingConfig, "warmup_fraction", 0.0)
    # It starts at the validation rate and is taught another one, so that no epoch is better than the first.
    window.held_out = with_scores(window.held_out, 0.06)
    window.training = [with_scores(batch, 0.9) for batch in window.training]
    after_first: dict[str, Tensor] = {}

    def keep_first(progress: Progress) -> None:
        if progress.epoch == 1 and progress.validation_loss is not None:
            after_first.update(load_file(tmp_path / FILE))

    preset = with_training(tiny_preset, epochs=3)
    model, result = fit("pooled", window, preset, tmp_path, keep_first)
    losses = [record.validation_loss for record in result.epochs]
    assert losses == sorted(losses)
    assert (len(losses), result.best_epoch) == (3, 1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, after_first[f"model/{name}"]), name


@pytest.mark.parametrize("score", [torch.inf, -torch.inf])
def test_a_loss_that_is_not_finite_stops_with_all_there_is_to_know(
    score: float, window: RandomWindow, tiny_preset: Preset, tmp_path: Path
) -> None:
    settings_before = torch.are_deterministic_algorithms_enabled()

    def spoil(progress: Progress) -> None:
        window.training = [with_scores(batch, score) for batch in window.training]

    with pytest.raises(
        TrainingError,
        match=r"mtmd: loss (nan|-?inf) with gradient norm nan in epoch 2, step 4 \(peak learning rate 0.001, "
        r"float32\) must be finite; check the teacher scores, lower the learning rate",
    ):
        fit("mtmd", window, with_training(tiny_preset, precision="float32"), tmp_path, spoil)
    assert torch.are_deterministic_algorithms_enabled() == settings_before


# ---- going on ------------------------------------------------------------------------------------


# in the first epoch, at its end, in the second, at the end
@pytest.mark.parametrize("step", [10, 12, 22, 36])
def test_what_a_callback_interrupts_goes_on_to_the_same_bits(
    step: int, undisturbed: tuple[dict[str, Tensor], FitResult], tiny_preset: Preset, tmp_path: Path
) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == step:
            raise StopError

    data = RandomWindow(tiny_preset.declarations, BATCHES)
    with pytest.raises(StopError):
        fit("mtmd", data, tiny_preset, tmp_path, stop)
    assert not torch.are_deterministic_algorithms_enabled()
    steps: list[int] = []
    model, result = fit("mtmd", data, tiny_preset, tmp_path, lambda progress: steps.append(progress.step))
    assert_same(dict(model.state_dict()), undisturbed[0])
    assert timeless(result) == timeless(undisturbed[1])
    assert all(done > step // BATCHES * BATCHES for done in steps)  # complete epochs are not repeated
    steps.clear()
    fit("mtmd", data, tiny_preset, tmp_path, lambda progress: steps.append(progress.step))
    assert steps == []  # nor is a complete training


def test_a_checkpoint_of_other_settings_another_kind_or_other_data_is_refused(
    window: RandomWindow, tiny_preset: Preset, tmp_path: Path
) -> None:
    preset = with_training(tiny_preset, epochs=1)
    fit("pooled", window, preset, tmp_path)
    others: list[tuple[str, RandomWindow, Preset]] = [
        ("pooled", window, with_training(preset, seed=1)),
        ("pooled", window, with_training(preset, epochs=4)),
        ("per_slice", window, preset),
        ("pooled", RandomWindow(preset.declarations, batches=4), preset),
        ("pooled", RandomWindow(preset.declarations, rate=0.07), preset),
    ]
    for kind, data, settings in others:
        with pytest.raises(TrainingError, match=r"is of training \w+, not \w+; remove"):
            fit(kind, data, settings, tmp_path)


# ---- progress ------------------------------------------------------------------------------------


def test_progress_comes_every_ten_steps_and_after_each_epoch(tiny_preset: Preset, tmp_path: Path) -> None:
    reports: list[Progress] = []
    data = RandomWindow(tiny_preset.declarations, BATCHES)
    _, result = fit("pooled", data, with_training(tiny_preset, epochs=2), tmp_path, reports.append)
    assert [(report.epoch, report.step, report.validation_loss is None) for report in reports] == [
        (1, 10, True),
        (1, 12, False),
        (2, 22, True),
        (2, 24, False),
    ]
    assert {(report.epochs, report.steps) for report in reports} == {(2, 24)}
    assert all(report.rows_per_s > 0 for report in reports)
    ends = [report for report in reports if report.validation_loss is not None]
    assert [end.train_loss for end in ends] == [record.train_loss for record in result.epochs]
    assert [end.validation_loss for end in ends] == [record.validation_loss for record in result.epochs]


# ---- once -----------------------------------------------------------------------------------------


def test_the_same_window_is_trained_once(done: Done) -> None:
    first = done.trained[0]
    again = train_stage.train(done.plan, "mtmd", done.days.window)
    assert again == first
    assert again.reused
    assert again.path == str(done.plan.workspace.trained("mtmd", first.key))
    assert half_written(Path(done.plan.artifacts)) == []  # no checkpoint is left


def test_every_candidate_of_the_window_is_trained_or_validated_on_and_no_other(done: Done) -> None:
    data = window_data(done.plan, done.days.window)
    pairs = sum(len(batch.candidate) for batch in (*data.epoch(0, 64), *data.validation(64)))
    assert pairs == sum(ref.candidates for ref in done.days.window)
