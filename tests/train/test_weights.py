from pathlib import Path

import pytest
import torch

from mtmd.config import Preset
from mtmd.errors import TrainingError
from mtmd.model.build import ModelKind, build_model
from mtmd.train.checkpoints import load_weights, save_weights
from tests.model.random_batches import random_batch


@pytest.mark.parametrize("kind", ["mtmd", "per_slice", "pooled"])
def test_a_loaded_model_scores_the_same_bits(kind: ModelKind, tiny_preset: Preset, tmp_path: Path) -> None:
    model = build_model(kind, tiny_preset)
    batch = random_batch(tiny_preset.declarations)
    with torch.no_grad():
        model.observe(batch)  # the statistics of features are weights too
        expected = model.eval()(batch)
        save_weights(model, tmp_path / "weights.safetensors")
        loaded = load_weights(kind, tiny_preset, tmp_path / "weights.safetensors")
        assert not loaded.training
        assert torch.equal(loaded(batch), expected)


@pytest.mark.parametrize("content", [None, b"\x80\x04K\x01."])
def test_what_is_no_safetensors_file_is_refused(
    content: bytes | None, tiny_preset: Preset, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(TrainingError, match="train again"):
        load_weights("pooled", tiny_preset, tmp_path / "weights.safetensors")
