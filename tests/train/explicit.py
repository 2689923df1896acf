"""A mode of torch in which a tensor that training makes must say on which device.

Without a GPU it is the nearest thing to one: what a GPU would refuse is a tensor that was made on the CPU because
nobody said otherwise. Models are made on the CPU on purpose (`build_model`), and batches are gathered there
(`mtmd.extract`).
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

import mtmd

HERE = Path(mtmd.__file__).parent
WATCHED = ("model", "train", "evaluate")


class ExplicitDevices(TorchFunctionMode):
    """`missing` has the places, file and line, that made a tensor without a device."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: set[str] = set()
        self.seen = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = {} if kwargs is None else kwargs
        if function in _device_constructors():
            self.seen += 1
            place = None if given.get("device") is not None else _watched(sys._getframe(1))
            if place is not None:
                self.missing.add(place)
        return function(*args, **given)


def _watched(frame: FrameType | None) -> str | None:
    """The innermost place of mtmd, unless a model is being made."""
    place: str | None = None
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(HERE):
            if frame.f_code.co_name == "build_model":
                return None
            if place is None:
                inside = file.relative_to(HERE)
                if inside.parts[0] not in WATCHED:
                    return None
                place = f"{inside}:{frame.f_lineno}"
        frame = frame.f_back
    return place
