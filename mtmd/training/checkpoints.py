"""Resumable state between two epochs: one safetensors file, replaced atomically."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mtmd.config import Frozen
from mtmd.errors import TrainingError
from mtmd.storage import atomic_file
from mtmd.training.records import EpochRecord

FILE = "checkpoint.safetensors"


class TrainingState(Frozen):
    """What besides tensors is needed to go on."""

    key: str
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    trained_rows: int
    finished: bool


def save_checkpoint(
    work: Path,
    state: TrainingState,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
) -> None:
    """Replace the checkpoint: weights, optimizer moments and the best epoch's weights."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in slots.items()}
    with atomic_file(work / FILE) as temporary:
        save_file(
            {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()},
            temporary,
            metadata={"state": state.model_dump_json()},
        )


def load_checkpoint(
    work: Path, key: str, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[TrainingState, dict[str, Tensor]] | None:
    """Restore model and optimizer in place; None when there is no checkpoint.

    Raises TrainingError for one that belongs to another training, can't be read or does not fit the model.
    """
    path = work / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = TrainingState.model_validate(json.loads((file.metadata() or {})["state"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, ValueError) as error:
        raise TrainingError(
            f"checkpoint {path} can't be read; remove {work} and run again: {error}"
        ) from error
    if state.key != key:
        raise TrainingError(
            f"checkpoint {path} is of training {state.key}, not {key}; remove {work} and run again"
        )
    best = _below("best/", tensors)
    try:
        model.load_state_dict(best)  # only to see that it fits
        model.load_state_dict(_below("model/", tensors))
        optimizer.load_state_dict(optimizer.state_dict() | {"state": _slots(_below("optimizer/", tensors))})
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"checkpoint {path} does not fit the model; remove {work} and run again: {error}"
        ) from error
    return state, best


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _slots(flat: dict[str, Tensor]) -> dict[int, dict[str, Any]]:
    slots: dict[int, dict[str, Any]] = {}
    for name, tensor in flat.items():
        index, slot = name.split("/", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    return slots
