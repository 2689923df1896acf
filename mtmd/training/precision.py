"""Where bfloat16 pays: processors with matrix instructions for it."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import torch

from mtmd.config import TrainingConfig

Precision = Literal["float32", "bfloat16"]


def choose_precision(config: TrainingConfig) -> Precision:
    """The configured precision; `auto` is bfloat16 on processors that multiply it natively."""
    if config.precision != "auto":
        return config.precision
    return "bfloat16" if multiplies_bfloat16() else "float32"


def autocast(precision: Precision) -> AbstractContextManager[object]:
    """The context that a forward pass runs in."""
    return torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else nullcontext()


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor has matrix or vector instructions for it, by Linux's list of its flags."""
    try:
        flags = cpuinfo.read_text(encoding="utf-8").split()
    except OSError:  # not Linux: nobody says, and float32 is always right
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
