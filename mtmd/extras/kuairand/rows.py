"""What a teacher is given: inputs, what happened, and what earlier days say. Outcomes become inputs only here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
EPOCH = date(1970, 1, 1)


class TeacherConfig(Frozen):
    """Found on KuaiRand's sample, by how well each day from 04-28 to 05-04 is ranked by teachers of earlier days."""

    width: int = Field(8, ge=1, description="embedding width of every coded field")
    hidden: int = Field(128, ge=2, description="first MLP layer; the second has half")
    dropout: float = Field(0.2, ge=0, lt=1)
    id_dropout: float = Field(0.2, ge=0, lt=1, description="share of ids hidden, as new ids will be")
    past_dropout: float = Field(0.25, ge=0, lt=1, description="share of rows with no past, as early days")
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    batch_rows: int = Field(256, ge=2)
    averaging: float = Field(
        0.98, ge=0, lt=1, description="of the running mean of weights that scores; it halves a member's noise"
    )
    members: int = Field(8, ge=1, description="teachers averaged in each score")
    least_rows: int = Field(500, ge=1, description="rows that teach before a day is scored, and in a lesson")


@dataclass(frozen=True)
class TeacherInputs:
    """N rows with F coded fields, M static and H past numbers.

    codes   (N, F) int32, 0 = missing, below sizes[f]   ids   fields with so many values that each is rarely seen
    static  (N, M) float32, no gaps                     past  (N, H) float32, 0 = nothing known
    level   (N, T) float32: log-odds of each task given its parent, in the row's surface and product on earlier days
    """

    codes: NDArray[np.int32]
    sizes: tuple[int, ...]
    ids: tuple[int, ...]
    static: NDArray[np.float32]
    past: NDArray[np.float32]
    level: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        codes: dict[str, Ints],
        ids: Iterable[str],
        static: Iterable[Floats],
        past: Iterable[Floats],
        level: Floats,
    ) -> "TeacherInputs":
        """Of columns (N,): coded fields by name, the names of `ids`, and numbers."""
        return cls(
            np.stack(list(codes.values()), axis=1, dtype=np.int32, casting="same_kind"),
            tuple(int(values.max()) + 1 for values in codes.values()),
            tuple([*codes].index(name) for name in ids),
            np.stack(list(static), axis=1, dtype=np.float32, casting="same_kind"),
            np.stack(list(past), axis=1, dtype=np.float32, casting="same_kind"),
            level.astype(np.float32),
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


def coded(values: pa.ChunkedArray) -> Ints:
    """(N,) 1 + the position of each value among the distinct ones, in order of appearance; 0 for null."""
    indices = pc.fill_null(pc.add(values.combine_chunks().indices, 1), 0)
    return np.asarray(indices.to_numpy(zero_copy_only=False).astype(np.int64))


_STRENGTH = 20.0  # rows of prior knowledge in a rate: about one day of a typical video


class EarlierDays:
    """Per key, sums of `values` over rows of strictly earlier days.

    key     (N,) int64 ≥ 0          day  (N,) int64, whole days
    values  (N, V) float64          e.g. ones and clicks
    """

    def __init__(self, key: Ints, day: Ints, values: Floats) -> None:
        self._first = int(day.min())
        self._span = int(day.max()) - self._first + 2  # the day after the last one too
        code = key * self._span + (day - self._first)
        order = np.argsort(code, kind="stable")
        self._code = code[order]
        zero = np.zeros((1, values.shape[1]))
        self._running = np.concatenate([zero, np.cumsum(values[order], axis=0)])  # (N + 1, V)

    def sums(self, key: Ints, day: Ints) -> Floats:
        """(M, V): for each of M (key, day) the sums over that key's rows before that day; 0 for a new key."""
        offset = np.clip(day - self._first, 0, self._span - 1)
        upto = np.searchsorted(self._code, key * self._span + offset)
        start = np.searchsorted(self._code, key * self._span)
        return np.asarray(self._running[upto] - self._running[start])


class PastRates:
    """Rates of actions on earlier days. prior (T,): everybody's rates before anything was logged."""

    def __init__(self, rows: TeachingRows, prior: Floats) -> None:
        self._day = rows.day
        self._shown, self._tasks = rows.known.any(axis=1), len(rows.tasks)
        taught = [np.ones((len(rows), 1), np.bool_), rows.teaches, rows.teaches & rows.labels]
        # (S, 1 + 2T) for S shown rows
        self._values = np.concatenate(taught, axis=1)[self._shown].astype(np.float64)
        _, self._overall = self._rates(np.zeros(len(rows), np.int64), prior)

    def level(self, *keys: Ints) -> Floats:
        """(N, T) log-odds of the rates of each row's last key, smoothed by those of the key before it."""
        rates = self._overall
        for key in keys:
            _, rates = self._rates(key, rates)
        return _log_odds(rates)

    def numbers(self, keys: Iterable[tuple[str, Ints]]) -> Iterator[Floats]:
        """Numbers (N,): of each key the share of knowledge in its count, then for each task a gain in log-odds.

        count  shown rows / (shown rows + strength): bounded, because counts only grow with days
        gain   log-odds of the smoothed rate of the task given its parent, less those of everybody: because the level
               drifts, and because 0 then says "nothing seen" in every column

        A row whose key is negative has nothing seen.
        """
        for _, key in keys:
            known = key >= 0
            # nobody's rows are nobody else's
            count, rate = self._rates(np.where(known, key, key.max() + 1), self._overall)
            yield known * (count / (count + _STRENGTH))
            for column in (_log_odds(rate) - _log_odds(self._overall)).T:
                yield known * column

    def _rates(self, key: Ints, prior: Floats) -> tuple[Floats, Floats]:
        """(N,) shown rows and (N, T) smoothed rates of each row's key before its day: the prior where none is."""
        past = EarlierDays(key[self._shown], self._day[self._shown], self._values)
        sums = past.sums(key, self._day)
        trials, hits = sums[:, 1 : 1 + self._tasks], sums[:, 1 + self._tasks :]
        return sums[:, 0], np.asarray((hits + _STRENGTH * prior) / (trials + _STRENGTH))


def _log_odds(rate: Floats) -> Floats:
    return np.asarray(np.log(rate / (1 - rate)))
