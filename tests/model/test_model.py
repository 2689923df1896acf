"""What the package offers."""

from typing import cast

import pytest
import torch

import mtmd.model.build
from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.model.build import ModelKind, build_model
from mtmd.model.ranker import RankingModel
from tests.model.random_batches import random_batch

KINDS: tuple[ModelKind, ...] = ("mtmd", "per_slice", "pooled")


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(
    tiny_preset: Preset, kind: ModelKind
) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = build_model(kind, tiny_preset)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second = build_model(kind, tiny_preset)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    changed = tiny_preset.training.model_copy(update={"seed": 1})
    other = build_model(kind, tiny_preset.model_copy(update={"training": changed}))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_ranker_gives_finite_log_probabilities(tiny_preset: Preset, kind: ModelKind) -> None:
    model = build_model(kind, tiny_preset)
    batch = random_batch(tiny_preset.declarations)
    assert isinstance(model, RankingModel)
    for log_p in (model(batch), model.eval()(batch)):
        assert log_p.shape == batch.teacher.shape
        assert log_p.dtype == torch.float32
        assert log_p.isfinite().all()
        assert (log_p <= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_state_restores_the_scores(tiny_preset: Preset, kind: ModelKind) -> None:
    model = build_model(kind, tiny_preset)
    batch = random_batch(tiny_preset.declarations)
    model(batch)
    other = build_model(kind, tiny_preset)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(batch), other.eval()(batch))


@pytest.mark.parametrize("kind", KINDS)
def test_embedding_parameters_are_the_tables(tiny_preset: Preset, kind: ModelKind) -> None:
    model = build_model(kind, tiny_preset)
    tables = [m for m in model.modules() if isinstance(m, mtmd.model.fields.FieldTables)]
    count = sum(p.numel() for module in tables for p in module.parameters())
    assert 0 < model.embedding_parameter_count == count < model.parameter_count


def test_an_unknown_kind_is_refused(tiny_preset: Preset) -> None:
    with pytest.raises(ConfigError, match="'boosted'"):
        build_model(cast(ModelKind, "boosted"), tiny_preset)
