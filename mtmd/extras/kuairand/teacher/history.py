"""What earlier days say of a key: counts and rates. Outcomes become inputs only here, of strictly earlier days."""

from collections.abc import Iterable

import numpy as np

from mtmd.extras.kuairand.teacher.rows import Bools, Floats, Ints, TeachingRows

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


def smoothed_rate(hits: Floats, trials: Floats, prior: Floats | float, strength: float) -> Floats:
    """(hits + strength · prior) / (trials + strength): the prior where nothing was seen."""
    return np.asarray((hits + strength * prior) / (trials + strength))


def past_numbers(
    keys: Iterable[tuple[str, Ints]], rows: TeachingRows, shown: Bools, prior: Floats, lags: Ints
) -> Iterable[tuple[str, Floats]]:
    """Numbers (N,) by name: of each key the share of knowledge in its count, and of each task a gain in log-odds.

    n      shown rows / (shown rows + strength): bounded, because counts only grow with days
    <task> log-odds of the smoothed rate of the task given its parent, less those of everybody: less everybody's,
           because the level drifts, and because 0 then says "nothing seen" in every column

    A row whose key is negative has nothing seen. prior (T,): everybody's rates before anything was logged. lags (T,):
    days after which a task's labels are final; the task's history ends that much earlier.
    """
    taught = np.concatenate(
        [np.ones((len(rows), 1), np.bool_), rows.teaches, rows.teaches & rows.labels], axis=1
    )
    values, day = taught[shown].astype(np.float64), rows.day[shown]  # (S, 1 + 2T) for S shown rows

    def rates(key: Ints, prior: Floats) -> tuple[Floats, Floats]:
        """(N,) shown rows and (N, T) smoothed rates of each row's key before its day."""
        past = EarlierDays(key[shown], day, values)
        sums = past.sums(key, rows.day)
        trials, hits = sums[:, 1 : 1 + len(lags)], sums[:, 1 + len(lags) :]
        for lag in np.unique(lags[lags > 0]):
            older, late = past.sums(key, rows.day - lag), lags == lag
            trials[:, late], hits[:, late] = (
                older[:, 1 : 1 + len(lags)][:, late],
                older[:, 1 + len(lags) :][:, late],
            )
        return sums[:, 0], smoothed_rate(hits, trials, prior, _STRENGTH)

    _, overall = rates(np.zeros(len(rows), np.int64), prior)
    for name, key in keys:
        known = key >= 0
        count, rate = rates(np.where(known, key, key.max() + 1), overall)  # nobody's rows are nobody else's
        gain = _log_odds(rate) - _log_odds(overall)
        yield f"{name}_n", known * (count / (count + _STRENGTH))
        for task, column in zip(rows.tasks, gain.T, strict=True):
            yield f"{name}_{task}", known * column


def _log_odds(rate: Floats) -> Floats:
    return np.asarray(np.log(rate / (1 - rate)))
