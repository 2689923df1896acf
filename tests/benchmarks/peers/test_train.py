import pytest
import torch

from benchmarks.peers.features import PairColumns
from benchmarks.peers.train import fit_peer, make_optimizer, validation_kl
from mtmd.config import Preset
from mtmd.errors import TrainingError
from mtmd.extract.window import WindowData
from mtmd.model.batch import Batch
from mtmd.train.dropout import with_dropped_values
from tests.benchmarks.peers.stand_ins import Lookup, Seen
from tests.train.test_dropout import with_ids
from tests.train.windows import with_training


def test_training_lowers_the_validation_kl_and_keeps_the_best_epoch(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    model = Lookup(columns, 3)
    seen: list[float] = []
    fit = fit_peer(model, window, tiny_preset, 0.05, "float32", lambda epoch, kl, speed: seen.append(kl))
    assert fit.epochs == len(seen) == tiny_preset.training.epochs
    assert fit.validation_kl == min(seen) == seen[fit.best_epoch - 1]
    assert seen[-1] < seen[0]
    assert validation_kl(model, window, tiny_preset) == pytest.approx(fit.validation_kl)
    assert not model.training


def test_values_are_dropped_from_training_rows_alone_and_as_mtmds_are(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    preset = with_training(with_ids(tiny_preset, min_count=1, dropout=0.5), epochs=2, seed=3)
    model = Lookup(columns, 3)
    trained: list[Batch] = []
    validated: list[Batch] = []

    def keep(_: object, arguments: tuple[Batch]) -> None:
        (trained if torch.is_grad_enabled() else validated).append(arguments[0])

    model.register_forward_pre_hook(keep)
    fit_peer(model, window, preset, 1e-3, "float32")
    requests = preset.training.batch_requests
    dropped = [
        batch
        for epoch in (1, 2)
        for batch in with_dropped_values(window.epoch(epoch, requests), preset.declarations, 3, epoch)
    ]
    for seen, expected in (
        (trained, dropped), (validated, [*window.validation(requests), *window.validation(requests)]),
    ):  # fmt: skip
        for one, other in zip(seen, expected, strict=True):
            assert torch.equal(one.query.categorical, other.query.categorical)
            assert torch.equal(one.item.categorical, other.item.categorical)
    assert not torch.equal(trained[0].item.categorical, next(window.epoch(1, requests)).item.categorical)


def test_a_peer_that_gets_worse_is_trained_to_the_end_of_its_schedule(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    preset = with_training(tiny_preset, epochs=6, patience=1, warmup_fraction=0.0)
    seen: list[float] = []
    model = Lookup(columns, 3)
    fit = fit_peer(model, window, preset, 5.0, "float32", lambda epoch, kl, speed: seen.append(kl))
    assert max(seen) > seen[0]  # far too large a step
    assert fit.epochs == len(seen) == 6
    assert fit.validation_kl == min(seen) == seen[fit.best_epoch - 1]


def test_a_loss_that_is_not_finite_ends_the_training(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    model = Lookup(columns, 3)
    model.initialise_bias = lambda base_rates: model.table.weight.data.fill_(torch.nan)  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"Lookup: loss nan .* epoch 1, step 1"):
        fit_peer(model, window, tiny_preset, 1e-3, "float32")


def test_a_validation_slice_without_a_task_ends_the_training(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    seen = Seen(window)
    seen.validation = lambda batch_requests: iter(())  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"Lookup: validation KL nan after epoch 1"):
        fit_peer(Lookup(columns, 3), seen, tiny_preset, 1e-3, "float32")


def test_weights_of_linear_layers_decay_and_tables_have_their_own_rate(tiny_preset: Preset) -> None:
    model = torch.nn.Sequential(
        torch.nn.Embedding(5, 4), torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1)
    )
    training = tiny_preset.training.model_copy(update={"embedding_rate": 4.0})
    groups = make_optimizer(model, training).param_groups
    linear, tables, others = [[tuple(p.shape) for p in group["params"]] for group in groups]
    assert (linear, tables) == ([(3, 4), (1, 3)], [(5, 4)])
    assert sorted(others) == [(1,), (3,), (3,), (3,)]  # two biases, BatchNorm's two
    assert [group["weight_decay"] for group in groups] == [training.weight_decay, 0.0, 0.0]
    assert [group["rate"] for group in groups] == [1.0, 4.0, 1.0]


def test_tables_move_by_the_embedding_rate_times_as_far(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    def moved(embedding_rate: float) -> float:
        model = Lookup(columns, 3)
        fit_peer(model, window, with_training(tiny_preset, embedding_rate=embedding_rate), 1e-4, "float32")
        return float((model.table.weight.detach() + 3.0).abs().mean())  # -3.0 is where it starts

    # Adam's steps are as long as the rate says, whatever the gradient.
    assert moved(8.0) == pytest.approx(8.0 * moved(1.0), rel=0.1)
