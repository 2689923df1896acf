"""Which device a model trains and scores on: `training.device` of a preset.

Models are made and stored on the CPU, from the same random numbers whatever the device, and moved.
"""

import os
from typing import Literal

import torch
from torch import nn

from mtmd.errors import ConfigError

Wanted = Literal["auto", "cpu", "cuda"]


def choose_device(wanted: Wanted) -> torch.device:
    """The device that is meant; `auto` is a GPU where torch finds one, and the CPU elsewhere.

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
