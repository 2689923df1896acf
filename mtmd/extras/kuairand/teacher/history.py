"""What earlier days say of a key: counts and rates. Outcomes become inputs only here, of strictly earlier days."""

from collections.abc import Iterable, Iterator

import numpy as np

from mtmd.extras.kuairand.teacher.rows import Floats, Ints, TeachingRows

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


def past_numbers(keys: Iterable[tuple[str, Ints]], rows: TeachingRows, prior: Floats) -> Iterator[Floats]:
    """Numbers (N,): of each key the share of knowledge in its count, then for each task a gain in log-odds.

    count  shown rows / (shown rows + strength): bounded, because counts only grow with days
    gain   log-odds of the smoothed rate of the task given its parent, less those of everybody: because the level
           drifts, and because 0 then says "nothing seen" in every column

    A row whose key is negative has nothing seen. prior (T,): everybody's rates before anything was logged.
    """
    shown, tasks = rows.known.any(axis=1), len(rows.tasks)
    taught = [np.ones((len(rows), 1), np.bool_), rows.teaches, rows.teaches & rows.labels]
    values = np.concatenate(taught, axis=1)[shown].astype(np.float64)  # (S, 1 + 2T) for S shown rows

    def rates(key: Ints, prior: Floats) -> tuple[Floats, Floats]:
        """(N,) shown rows and (N, T) smoothed rates of each row's key before its day: the prior where none is."""
        sums = EarlierDays(key[shown], rows.day[shown], values).sums(key, rows.day)
        trials, hits = sums[:, 1 : 1 + tasks], sums[:, 1 + tasks :]
        return sums[:, 0], np.asarray((hits + _STRENGTH * prior) / (trials + _STRENGTH))

    _, overall = rates(np.zeros(len(rows), np.int64), prior)
    for _, key in keys:
        known = key >= 0
        count, rate = rates(np.where(known, key, key.max() + 1), overall)  # nobody's rows are nobody else's
        yield known * (count / (count + _STRENGTH))
        for column in (_log_odds(rate) - _log_odds(overall)).T:
            yield known * column


def _log_odds(rate: Floats) -> Floats:
    return np.asarray(np.log(rate / (1 - rate)))
