"""What a teacher is given: the inputs of every row, and what happened to the rows that teach."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TeacherInputs:
    """N rows with F coded fields, M static and H past numbers.

    codes   (N, F) int32, 0 = missing, below sizes[f]   ids   fields with so many values that each is rarely seen
    static  (N, M) float32, no gaps                     past  (N, H) float32, 0 = nothing known
    """

    codes: NDArray[np.int32]
    sizes: tuple[int, ...]
    ids: tuple[int, ...]
    static: NDArray[np.float32]
    past: NDArray[np.float32]


@dataclass(frozen=True)
class TeachingRows:
    """What happened in the same N rows, for T tasks.

    day      (N,) whole days since 1970-01-01
    labels   (N, T) whether it happened; false where nobody knows
    teaches  (N, T) whether the label is known given that the parent happened: only these enter a loss
    tasks    names; parents: the index of each task's parent, before it, or None
    """

    day: Ints
    labels: Bools
    teaches: Bools
    tasks: tuple[str, ...]
    parents: tuple[int | None, ...]

    def __len__(self) -> int:
        return len(self.day)
