"""Deterministic kernels for the time of a training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def deterministic() -> Iterator[None]:
    """Refuse kernels whose results vary from run to run; the caller's settings come back.

    Torch would also fill new tensors with NaN, to expose kernels that read memory before they write it; that
    costs a pass over each and is left out.
    """
    switches: Any = torch.utils.deterministic  # a module with a property, which type checkers don't see
    before, warn_only, fill = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        switches.fill_uninitialized_memory,
    )
    torch.use_deterministic_algorithms(True)
    switches.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        switches.fill_uninitialized_memory = fill
