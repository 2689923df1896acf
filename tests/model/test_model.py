"""What the package offers."""

import pytest
import torch

from mtmd.config import Preset
from mtmd.model.build import ModelKind, build_model

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
