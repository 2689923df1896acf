"""Sums over earlier days: the only way in which outcomes may become inputs."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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


def smoothed_rate(hits: Floats, trials: Floats, prior: Floats | float, strength: float) -> Floats:
    """(hits + strength · prior) / (trials + strength): the prior where nothing was seen."""
    return np.asarray((hits + strength * prior) / (trials + strength))


def observed_rate(hits: Floats, trials: Floats) -> Floats:
    """hits / trials, NaN where nothing was seen: missing, not a magic number."""
    rate: Floats = np.divide(hits, trials, out=np.full(len(hits), np.nan), where=trials > 0)
    return rate
