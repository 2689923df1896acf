"""What a training needs of its data, reports while it runs, and leaves: its record, weights and checkpoints.

Weights and checkpoints are safetensors, never a pickle. A checkpoint is the state of a training between two epochs: one
file, replaced atomically, that carries its own digest. A damaged one is never resumed from: the training begins anew.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mtmd.config import Frozen, Preset
from mtmd.errors import TrainingError
from mtmd.model.batch import Batch
from mtmd.model.ranker import RankingModel, build_model
from mtmd.store.files import atomic_file, digest
from mtmd.train.step import Precision

FIT = "fit.json"  # a FitResult, beside the weights
MOMENTS = "moments.safetensors"  # beside the weights of a training that a later one may go on from
_log = logging.getLogger(__name__)

FILE, WEIGHTS = "checkpoint.safetensors", "weights.safetensors"


class TrainingData(Protocol):
    """A window of batches; `mtmd.extract.window.WindowData` is one."""

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]: ...

    def validation(self, batch_requests: int) -> Iterator[Batch]: ...

    def steps(self, batch_requests: int) -> int: ...

    def base_rates(self) -> Tensor: ...


class Start(Frozen):
    """An earlier training that one goes on from, and how."""

    model_id: str = Field(description="the registered model")
    as_of: date
    training: str = Field(description="key of its training")
    full_model_id: str = Field(description="the last fully retrained model that it descends from, or itself")
    full_as_of: date
    days: int = Field(ge=1, description="newest days of the window that are trained on")
    epochs: int = Field(ge=1)
    rate: float = Field(description="peak of the learning rate, as a share of a full retrain's")

    def key(self) -> dict[str, Any]:
        """What of it decides the weights."""
        return self.model_dump(mode="json", include={"training", "days", "epochs", "rate"})


class ChosenStart(Frozen):
    """What the candidate's training goes on from on a day."""

    start: Start | None = Field(None, description="None for a full retrain")
    words: str = Field(
        "", description="what it is, or why it is none; empty where every day is a full retrain"
    )


class Progress(Frozen):
    """One report: every few steps, and at each epoch's end, when `validation_loss` is given."""

    epoch: int = Field(description="1-based")
    epochs: int
    step: int = Field(description="steps done, over all epochs")
    steps: int
    train_loss: float = Field(
        description="mean loss of this epoch so far; on several ranks of the first one's part"
    )
    validation_loss: float | None
    rows_per_s: float = Field(description="pairs trained on per second in this epoch so far")


OnProgress = Callable[[Progress], None]


class EpochRecord(Frozen):
    """One epoch."""

    train_loss: float
    validation_loss: float
    validation_logmae: dict[str, float] = Field(description="of the tasks that learn from scores")
    seconds: float = Field(description="of training; validation is not part of it")
    rows: int = Field(description="pairs trained on")


class FitResult(Frozen):
    """A finished training."""

    epochs: tuple[EpochRecord, ...]
    parameters: int
    precision: Precision

    @property
    def best_epoch(self) -> int:
        """1-based; its weights are the ones kept."""
        return best_of(self.epochs)

    @property
    def seconds(self) -> float:
        return sum(record.seconds for record in self.epochs)

    @property
    def rows_per_s(self) -> float:
        return sum(record.rows for record in self.epochs) / self.seconds


def best_of(epochs: Sequence[EpochRecord]) -> int:
    """The first epoch, 1-based, with the least validation loss."""
    return 1 + min(range(len(epochs)), key=lambda place: epochs[place].validation_loss)


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a file of tensors; `path` is of a temporary that `mtmd/store/files.py` gave."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(whole, path, metadata=metadata)


def load_weights(kind: str, preset: Preset, path: Path) -> RankingModel:
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


class TrainingState(Frozen):
    """What besides tensors is needed to go on."""

    key: str
    epochs: tuple[EpochRecord, ...] = ()


def save_checkpoint(
    work: Path,
    state: TrainingState,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Replace the checkpoint: weights, optimizer moments, and the best epoch's weights where that is an earlier one.

    Returns the best epoch's weights, whose memory is the file's: tables may be most of a training's memory.
    """
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    if not _is_best(state):
        tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in slots.items()}
    tensors = {name: tensor.detach() for name, tensor in tensors.items()}
    text = state.model_dump_json()
    with atomic_file(work / FILE) as temporary:
        save_tensors(tensors, temporary, metadata={"state": text, "sha256": _digest(text, tensors)})
    return _best(state, load_file(work / FILE))


def load_checkpoint(
    work: Path, key: str, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[TrainingState, dict[str, Tensor]] | None:
    """Restore model and optimizer in place; None, changing neither, when there is no checkpoint to go on from.

    That is also so, with a warning, for one that can't be read, or whose content is not what was written. Raises
    TrainingError for a sound one that belongs to another training.
    """
    path = work / FILE
    if not path.is_file():
        return None
    try:
        state, tensors = _read(path)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        _log.warning("the training begins anew, because checkpoint %s can't be used: %s", path, error)
        return None
    if state.key != key:
        raise TrainingError(
            f"checkpoint {path} is of training {state.key}, not {key}; remove {work} and run again"
        )
    weights, slots = _below("model/", tensors), dict[int, dict[str, Any]]()
    for name, tensor in _below("optimizer/", tensors).items():
        index, slot = name.split("/", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    model.load_state_dict(weights)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": slots})
    return state, _best(state, tensors)


def _best(state: TrainingState, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a checkpoint's tensors, the best epoch's weights."""
    return _below("model/" if _is_best(state) else "best/", tensors)


def _is_best(state: TrainingState) -> bool:
    """Whether the latest epoch is the best one."""
    return best_of(state.epochs) == len(state.epochs)


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex sha256 of tensors: their names, types, shapes and bytes, in the order of the names."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _read(path: Path) -> tuple[TrainingState, dict[str, Tensor]]:
    """Raises SafetensorError, KeyError or ValueError for a file that is not as it was written."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if (found := _digest(metadata["state"], tensors)) != metadata.get("sha256"):
        raise ValueError(f"its content has sha256 {found}; it says {metadata.get('sha256')}")
    return TrainingState.model_validate_json(metadata["state"]), tensors


def _digest(state: str, tensors: dict[str, Tensor]) -> str:
    return digest([state, tensors_digest(tensors)])


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
