"""Trained weights on disk: safetensors, never a pickle."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mtmd.config import Preset
from mtmd.errors import TrainingError
from mtmd.model import ModelKind, Ranker, build_model


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex sha256 of tensors: their names, types, shapes and bytes, in the order of the names."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def save_weights(model: nn.Module, path: Path) -> None:
    """Write parameters and buffers; `path` is one that `storage` yields, so that it appears whole."""
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)


def load_weights(kind: ModelKind, preset: Preset, path: Path) -> Ranker:
    """The model of a kind with stored weights, in evaluation mode.

    Raises TrainingError when the file can't be read or does not fit the preset.
    """
    model = build_model(kind, preset)
    try:
        model.load_state_dict(load_file(path))
    except (RuntimeError, OSError, SafetensorError) as error:
        raise TrainingError(
            f"weights {path} do not fit a {kind} model of preset {preset.name!r}; train again: {error}"
        ) from error
    return model.eval()
