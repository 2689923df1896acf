import math
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mtmd.config import Preset
from mtmd.errors import TrainingError
from mtmd.extras.distillation.pairs import Distillation, TaughtBatch, drawn_pairs
from mtmd.extras.distillation.teaching import build_cross, recipe
from mtmd.model.batch import Batch
from mtmd.model.build import ModelKind
from mtmd.model.ranker import RankingModel
from mtmd.train.step import TrainingLoss
from mtmd.train.trainer import Additions, fit
from tests.model.random_batches import random_batch
from tests.train.windows import RandomWindow, with_extra, with_training

CROSS = {"tower_widths": (8,), "meeting_width": 8, "pair_widths": (8,), "learning_rate": 1e-2, "epochs": 2}


def taught_by(cross: RankingModel, preset: Preset, pairs: int = 6, weight: float = 3.0) -> Distillation:
    tasks = torch.from_numpy(preset.domains.task_mask)
    return Distillation(
        name="a cross model",
        cross=cross.eval(),
        tasks=tasks,
        pairs=pairs,
        weight=weight,
        seed=0,
        precision="float32",
    )


@pytest.fixture(scope="module")
def preset(tiny_preset: Preset) -> Preset:
    return with_extra(with_training(tiny_preset, epochs=2), "distillation", weight=3.0, pairs=6, **CROSS)


@pytest.fixture(scope="module")
def taught(preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> Distillation:
    """By a cross model that learned a little."""
    work = tmp_path_factory.mktemp("cross")
    return taught_by(fit(recipe(preset), RandomWindow(preset.declarations), preset, work)[0], preset)


def batches_of(taught: Distillation, batches: list[Batch], epoch: int) -> list[TaughtBatch]:
    found = list(taught.batches(batches, epoch))
    assert all(isinstance(one, TaughtBatch) for one in found)
    return found


def pairs_of(batch: Batch) -> list[tuple[int, int]]:
    return list(zip(batch.pair_query.tolist(), batch.pair_item.tolist(), strict=True))


# ---- which pairs ---------------------------------------------------------------------------------


def test_drawn_pairs_are_new_and_of_ads_that_the_surface_has(tiny_preset: Preset) -> None:
    batch = random_batch(tiny_preset.declarations, (30, 2, 20), (25, 25), per_request=4)
    query, item = drawn_pairs(batch, 5, np.random.default_rng(0))
    drawn = list(zip(query.tolist(), item.tolist(), strict=True))
    assert len(set(drawn)) == len(drawn)
    assert not set(drawn) & set(pairs_of(batch))
    surface = [0] * 30 + [1] * 2 + [2] * 20
    ads = {s: {ad for request, ad in pairs_of(batch) if surface[request] == s} for s in range(3)}
    assert all(ad in ads[surface[request]] for request, ad in drawn)
    counts = np.bincount(query, minlength=52)
    assert counts.max() == 5
    assert counts[[0, *range(2, 30), *range(32, 52)]].mean() > 4  # few were drawn twice, or logged
    again = drawn_pairs(batch, 5, np.random.default_rng(0))
    assert torch.equal(again[0], query)
    assert torch.equal(again[1], item)
    assert not torch.equal(drawn_pairs(batch, 5, np.random.default_rng(1))[1], item)


def test_a_request_whose_surface_has_nothing_new_gets_no_pair(tiny_preset: Preset) -> None:
    batch = random_batch(tiny_preset.declarations, (3, 0, 1), (2, 0), per_request=2)
    batch = replace(batch, pair_item=torch.tensor([0, 1] * 4))
    query, item = drawn_pairs(batch, 9, np.random.default_rng(0))
    assert len(query) == len(item) == 0
    taught = taught_by(build_cross(with_extra(tiny_preset, "distillation", **CROSS)), tiny_preset)
    (same,) = batches_of(taught, [batch], 1)
    assert same.drawn == 0
    assert torch.equal(same.pair_item, batch.pair_item)


# ---- what they are taught ------------------------------------------------------------------------


def test_a_batch_gets_the_cross_models_scores_after_its_own(taught: Distillation, preset: Preset) -> None:
    batch = random_batch(preset.declarations)
    (more,) = batches_of(taught, [batch], 1)
    own = len(batch.candidate)
    assert more.drawn == len(more.pair_query) - own > 40
    for name in ("pair_query", "pair_item", "pair_domain"):
        assert torch.equal(getattr(more, name)[:own], getattr(batch, name))
    assert torch.equal(more.teacher[:own].nan_to_num(), batch.teacher.nan_to_num())
    assert torch.equal(more.candidate, batch.candidate)
    mask = preset.domains.task_mask
    for row in range(own, own + more.drawn, 7):  # each pair by itself
        request, ad = int(more.pair_query[row]), int(more.pair_item[row])
        surface, product = int(batch.query.domain[request]), int(batch.item.domain[ad])
        domain = surface * 2 + product
        assert int(more.pair_domain[row]) == domain
        alone = {"pair_query": torch.tensor([request]), "pair_item": torch.tensor([ad])}
        with torch.no_grad():
            scores = taught.cross(replace(batch, pair_domain=torch.tensor([domain]), **alone)).exp()[0]
        expected = [float(p) if has else math.nan for p, has in zip(scores, mask[domain], strict=True)]
        assert more.teacher[row].tolist() == pytest.approx(expected, rel=1e-4, nan_ok=True)
    assert not taught.cross.training


def test_seed_and_epoch_decide_what_is_drawn(taught: Distillation, preset: Preset) -> None:
    batches = [random_batch(preset.declarations, seed=seed) for seed in range(2)]

    def drawn(by: Distillation, epoch: int) -> list[list[tuple[int, int]]]:
        return [pairs_of(batch) for batch in by.batches(batches, epoch)]

    first = drawn(taught, 1)
    assert drawn(taught, 1) == first
    assert drawn(taught, 2) != first
    assert drawn(replace(taught, seed=1), 1) != first


def oracle_kl(t: float, p: float) -> float:
    return t * math.log(t / p) + (1 - t) * math.log((1 - t) / (1 - p))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_loss_adds_the_mean_divergence_from_the_cross_model(
    power: float, taught: Distillation, preset: Preset
) -> None:
    """The added part, pair by pair in NumPy's double precision, from the formula in docs/model.md."""
    batch = random_batch(preset.declarations)
    (more,) = batches_of(taught, [batch], 1)
    generator = torch.Generator().manual_seed(1)
    log_p = (-4.0 * torch.rand(more.teacher.shape, generator=generator) - 0.1).requires_grad_()
    weights, scale = torch.tensor([2.0, 1.0, 1.0]), torch.tensor([0.1, 0.05, 0.02])
    own = len(batch.candidate)
    plain = TrainingLoss(weights, power, scale)
    without = plain.of_batch(log_p[:own].detach(), batch)
    found = replace(taught, weight=0.7).loss(plain).of_batch(log_p, more)

    expected = 0.0
    for task, (weight, typical) in enumerate(zip(weights.tolist(), scale.tolist(), strict=True)):
        costs = []
        for row in range(own, own + more.drawn):
            t, p = float(more.teacher[row, task]), math.exp(float(log_p.detach()[row, task]))
            if not math.isnan(t):
                costs.append(oracle_kl(t, p) * min(typical / p, 1e3) ** power)
        expected += weight * float(np.mean(costs)) / 4.0
    assert float(found.detach() - without) == pytest.approx(0.7 * expected, rel=1e-3)
    found.backward()  # type: ignore[no-untyped-call]
    assert log_p.grad is not None
    assert log_p.grad.isfinite().all()
    absent = more.teacher.isnan()
    assert (log_p.grad[absent] == 0).all()
    assert (log_p.grad[~absent].abs() > 0).float().mean() > 0.6


# ---- in a training -------------------------------------------------------------------------------


def gap(model: RankingModel, taught: Distillation, preset: Preset) -> float:
    """Mean |ln p − ln cross| of the first task on pairs of a batch that no training saw."""
    (batch,) = batches_of(taught, [random_batch(preset.declarations, seed=77)], 9)
    with torch.no_grad():
        log_p = model(batch)[-batch.drawn :, 0]
    return float((log_p - batch.teacher[-batch.drawn :, 0].log()).abs().mean())


@pytest.mark.parametrize("kind", ["mtmd", "pooled"])
def test_a_model_comes_nearer_to_the_cross_model(
    kind: ModelKind, taught: Distillation, preset: Preset, tmp_path: Path
) -> None:
    window = RandomWindow(preset.declarations, 6)
    fast = with_training(preset, learning_rate=1e-2)
    plain, _ = fit(kind, window, fast, tmp_path / "plain")
    more = Additions(teaching=replace(taught, weight=30.0))
    distilled, result = fit(kind, window, fast, tmp_path / "taught", additions=more)
    assert gap(distilled, taught, preset) < gap(plain, taught, preset)
    assert result.rows_per_s > 0


def test_a_training_that_was_stopped_ends_with_the_same_bits(
    taught: Distillation, preset: Preset, tmp_path: Path
) -> None:
    window = RandomWindow(preset.declarations)
    reports = count(1)

    def stop(progress: object) -> None:
        if next(reports) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit("mtmd", window, preset, tmp_path / "stopped", stop, Additions(teaching=taught))
    weights: list[dict[str, Tensor]] = []
    for work in ("stopped", "undisturbed"):
        model, _ = fit("mtmd", window, preset, tmp_path / work, additions=Additions(teaching=taught))
        weights.append(dict(model.state_dict()))
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    other, _ = fit("mtmd", window, preset, tmp_path / "plain")
    assert not torch.equal(other.state_dict()["query.bias"], weights[0]["query.bias"])


def test_another_cross_models_checkpoint_is_refused(
    taught: Distillation, preset: Preset, tmp_path: Path
) -> None:
    window = RandomWindow(preset.declarations)
    fit("pooled", window, preset, tmp_path, additions=Additions(teaching=taught))
    another = Additions(teaching=replace(taught, name="another"))
    with pytest.raises(TrainingError, match=r"is of training \w+, not \w+; remove"):
        fit("pooled", window, preset, tmp_path, additions=another)
