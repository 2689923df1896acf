"""What a teacher is given: the inputs of every row, and what happened to the rows that teach."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen

SEEDS = 2**62  # seeds are below: each member's is a little larger, and torch takes some up to 2⁶³
_SMALLEST_BATCH = 32

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class TeacherConfig(Frozen):
    """Found on KuaiRand's sample: fitted on days up to 04-28, tried on 04-29 and 04-30."""

    width: int = Field(8, ge=1, description="embedding width of every coded field")
    hidden: int = Field(128, ge=2, description="first MLP layer; the second has half")
    dropout: float = Field(0.2, ge=0, lt=1)
    id_dropout: float = Field(0.2, ge=0, lt=1, description="share of ids hidden, as new ids will be")
    past_dropout: float = Field(0.25, ge=0, lt=1, description="share of rows with no past, as early days")
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    batch_rows: int = Field(512, ge=2)
    max_epochs: int = Field(4, ge=1, description="more than 3 overfits: ids learn their rows by heart")
    blocks: int = Field(5, ge=2, description="blocks of days, at most")
    members: int = Field(8, ge=1, description="teachers averaged in each score, at most")
    least_members: int = Field(3, ge=1, description="likewise, at least, however many the rows")
    member_rows: int = Field(800_000, ge=1, description="log rows × members, but for least_members")
    start_at_rates: bool = Field(
        False,
        description="begin at the logs' own rates, without which rare tasks need many rows to come down from one half",
    )
    least_batches: int = Field(
        0, ge=0, description="of an epoch, of 32 rows at least: few rows must teach in more steps"
    )

    def batch_for(self, rows: int) -> int:
        """Rows of a batch where `rows` teach."""
        if not self.least_batches:
            return self.batch_rows
        return min(self.batch_rows, max(_SMALLEST_BATCH, rows // self.least_batches))

    def members_for(self, rows: int) -> int:
        """Teachers to average: fewer where the log is large, since more rows make them differ less."""
        return min(self.members, max(self.least_members, self.member_rows // rows))


FOR_LOGS = TeacherConfig(start_at_rates=True, least_batches=64)  # any contract logs, large or small


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

    @classmethod
    def of(
        cls, codes: dict[str, Ints], ids: Iterable[str], static: Iterable[Floats], past: Iterable[Floats]
    ) -> "TeacherInputs":
        """Of columns (N,): coded fields by name, the names of `ids`, and numbers."""
        return cls(
            np.stack(list(codes.values()), axis=1, dtype=np.int32, casting="same_kind"),
            tuple(int(values.max()) + 1 for values in codes.values()),
            tuple([*codes].index(name) for name in ids),
            np.stack(list(static), axis=1, dtype=np.float32, casting="same_kind"),
            np.stack(list(past), axis=1, dtype=np.float32, casting="same_kind"),
        )


@dataclass(frozen=True)
class TeachingRows:
    """What happened in the same N rows, for T tasks.

    day      (N,) whole days since 1970-01-01
    labels   (N, T) whether it happened; false where nobody knows
    known    (N, T) whether somebody knows: the ad was shown, and its product has the task
    tasks    names; parents: the index of each task's parent, before it, or None
    """

    day: Ints
    labels: Bools
    known: Bools
    tasks: tuple[str, ...]
    parents: tuple[int | None, ...]

    def __len__(self) -> int:
        return len(self.day)

    @cached_property
    def teaches(self) -> Bools:
        """(N, T) whether the label is known given that the parent happened: only these enter a loss."""
        happened = [np.ones(len(self), np.bool_) if p is None else self.labels[:, p] for p in self.parents]
        return np.asarray(self.known & np.stack(happened, axis=1))


def coded(values: pa.Array | pa.ChunkedArray) -> Ints:
    """(N,) 1 + the position of each value among the distinct ones, in order of appearance; 0 for null."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    found = flat if pa.types.is_dictionary(flat.type) else flat.dictionary_encode()
    indices = pc.fill_null(pc.add(found.indices, 1), 0)
    return np.asarray(indices.to_numpy(zero_copy_only=False).astype(np.int64))
