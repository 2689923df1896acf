"""A model's level moves to the newest days', exactly, and nothing else moves."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mtmd.config import Preset
from mtmd.model.batch import Batch
from mtmd.model.build import ModelKind, build_model
from mtmd.model.ranker import RankingModel
from mtmd.train import level
from mtmd.train.level import move_level
from mtmd.train.trainer import fit
from tests.train.windows import RandomWindow, with_training

KINDS: tuple[ModelKind, ...] = ("mtmd", "per_slice", "pooled")
CTR, GCTR = 0, 1


@pytest.fixture
def window(tiny_preset: Preset) -> RandomWindow:
    return RandomWindow(tiny_preset.declarations)


def _in_order(batch: Batch) -> Batch:
    """The batch with scores of children that are below their parent's, where there are any."""
    share = torch.tensor([1.0, 0.5, 0.3])
    return replace(batch, teacher=torch.where(batch.teacher.isnan(), torch.nan, batch.teacher[:, :1] * share))


def _means(model: RankingModel, batch: Batch, scores: Tensor, row: int, task: int) -> float:
    """Mean log P(task | parent) over the pairs of a level, from log P(task)."""
    parent = model.parents[task]
    own = scores[:, task] - (0.0 if parent is None else scores[:, parent])
    known = (model.level_of(batch.pair_domain) == row) & ~batch.teacher[:, task].isnan()
    return float(own[known].double().mean())


@pytest.mark.parametrize("kind", KINDS)
def test_every_level_meets_the_teachers(
    kind: ModelKind, window: RandomWindow, tiny_preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(level, "PRIOR_ROWS", 0)
    model = build_model(kind, tiny_preset).eval()
    model.initialise_bias(window.base_rates())
    batch = _in_order(window.training[0])
    move_level(model, lambda: [batch])
    with torch.no_grad():
        scores = model(batch)
    for row in model.level_of(batch.pair_domain).unique().tolist():
        for task in (CTR, GCTR):
            wanted = _means(model, batch, batch.teacher.log(), row, task)
            assert _means(model, batch, scores, row, task) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_training_moves_nothing_but_biases_and_does_so_again_when_it_is_asked_again(
    kind: ModelKind, window: RandomWindow, tiny_preset: Preset, tmp_path: Path
) -> None:
    plain, record = fit(kind, window, with_training(tiny_preset, epochs=1), tmp_path / "plain")
    preset = with_training(tiny_preset, epochs=1, level_days=1)
    moved, other = fit(kind, window, preset, tmp_path / "moved")
    again, _ = fit(kind, window, preset, tmp_path / "moved")
    assert record.epochs[0].validation_loss == other.epochs[0].validation_loss
    own, theirs = plain.state_dict(), moved.state_dict()
    different = {name.rsplit(".", 1)[-1] for name in own if not torch.equal(own[name], theirs[name])}
    assert different == {"bias"}
    assert sum(not torch.equal(own[name], theirs[name]) for name in own) == {"mtmd": 1, "pooled": 1}.get(
        kind, 6
    )
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in theirs.items())


def test_a_child_that_is_scored_above_its_parent_gives_finite_biases(
    window: RandomWindow, tiny_preset: Preset
) -> None:
    batch = window.training[0]
    upside_down = replace(batch, teacher=_in_order(batch).teacher * torch.tensor([0.1, 1.0, 1.0]))
    model = build_model("mtmd", tiny_preset).eval()
    moved = move_level(model, lambda: [upside_down])
    assert moved.isfinite().all()
    assert (moved[:, GCTR] > 0).any()
