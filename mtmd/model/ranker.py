"""What every model in this package offers to training, evaluation and export; and the device that it is on.

Models are made and stored on the CPU, from the same random numbers whatever the device, and moved.
"""

import os
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mtmd.errors import ConfigError
from mtmd.model.batch import Batch


class RankingModel(nn.Module):
    """A model of all tasks in all domains: a batch of P pairs in, (P, T) natural-log probabilities out.

    parents  of each task, the task that its logit is conditional on; None where it is log-odds itself
    """

    parents: Sequence[int | None]
    query: nn.Module
    item: nn.Module

    def forward(self, batch: Batch) -> Tensor:
        """(P, T) float32 log P(task | impression); finite but meaningless where a task does not exist."""
        raise NotImplementedError

    def initialise_bias(self, base_rates: Tensor) -> None:
        """Start from the mean rates: (|domains|, T) mean teacher scores, NaN where there are none."""
        raise NotImplementedError

    def observe(self, batch: Batch) -> None:
        """Take in a batch of the window before training, for statistics of numbers and counts of values."""
        self.query.observe(batch.query, batch.requests_once())  # type: ignore[operator]
        self.item.observe(batch.item, batch.candidates_of_ads())  # type: ignore[operator]

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def embedding_parameter_count(self) -> int:
        """Parameters of the embedding tables of categorical features."""
        return sum(p.numel() for name, p in self.named_parameters() if ".tables.tables." in f".{name}")


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device that `training.device` means; `auto` is a GPU where torch finds one, and the CPU elsewhere.

    Of several GPUs, a rank of a training takes the one that its number has (LOCAL_RANK), anyone else the first.
    Raises ConfigError where a GPU is wanted and there is none.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ConfigError(
            'training.device ("cuda") needs a GPU that torch can use, and torch.cuda.is_available() is false here '
            f'(torch {torch.__version__}); set training.device = "auto" or "cpu", or install a build of torch for CUDA '
            "and its driver"
        )
    if wanted == "cpu" or not available:
        return torch.device("cpu")
    # cuBLAS reads it when it starts; without it, torch refuses its products in deterministic trainings.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are; the CPU for one that has none."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
