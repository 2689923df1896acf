"""One cell of a replay: what the heavyweight ranker takes of a request, before and after a cut.

A cut keeps a request's K best candidates by a predictor's score; of these the heavyweight ranker takes its own best k.
Ties: it takes the more valuable first, then goes by the order of the day's rows (product, ad id); a predictor by that
order alone.

N rows of a cell, G requests with a choice (two candidates or more), M predictors, J numbers K of kept candidates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Slice
from mtmd.evaluate.metrics import Floats, Integers
from mtmd.evaluate.replay_report import ReplayCell

QUANTITIES = ("recall", "actions", "value")


@dataclass(frozen=True)
class Choice:
    """The candidates of a cell among which there is a choice, in the order of the day's rows.

    request  (N,) row of each one's request, ascending      start  (N,) first row of its request
    size     (N,) candidates of its request                 order  (N,) rows, request by request, best first
    gains    (N, 3) in that order: 1 for one of the top k, else 0; expected actions; value
    rows     (N,) which of the given rows these are         alone  requests that had a single candidate
    """

    request: Integers
    start: Integers
    size: Integers
    order: Integers
    gains: Floats
    rows: Integers
    alone: int

    @classmethod
    def of(cls, request: Integers, score: Floats, actions: Floats, value: Floats, top: int) -> Self:
        """From each candidate's request (ascending) and what the heavyweight ranker says of it.

        A candidate that ties with the k-th best counts as one of the top, whichever of them is taken, so that no
        predictor loses by a tie.
        """
        _, group, counts = np.unique(request, return_inverse=True, return_counts=True)
        rows = np.flatnonzero(counts[group] > 1)
        request, score, actions, value = request[rows], score[rows], actions[rows], value[rows]
        size = counts[group[rows]]
        first = np.r_[True, request[1:] != request[:-1]][: len(rows)]
        start = np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
        order = np.lexsort((-value, -score, request))
        last = start + np.minimum(top, size) - 1  # place of the k-th best of the row's request
        best = score[order] >= score[order][last]
        gains = np.column_stack([best, actions[order], value[order]]).astype(np.float64)
        return cls(request, start, size, order, gains, rows, alone=int((counts == 1).sum()))

    @property
    def place(self) -> Integers:
        """(N,) place in its request of what stands at each position of an order, from 0."""
        return np.arange(len(self.start)) - self.start

    @property
    def requests(self) -> Integers:
        """(G,) rows of the requests."""
        return self.request[self._starts]

    @property
    def _starts(self) -> Integers:
        return np.flatnonzero(self.place == 0)

    def cut(self, kept: int) -> int:
        """Requests with more than `kept` candidates: from the others a cut takes nothing."""
        return int((self.size[self._starts] > kept).sum())

    def whole(self, top: int) -> Floats:
        """(G, 3) what the best k bring, without a cut."""
        return self._sums(self.place < top)

    def taken(self, score: NDArray[np.floating], kept: Sequence[int], top: int) -> Floats:
        """(G, J, 3) what the best k of the kept ones bring, which a predictor keeps by its (N,) scores."""
        own = np.empty(len(score), dtype=np.int64)  # the predictor's place of each row
        own[np.lexsort((-score, self.request))] = self.place
        own = own[self.order]
        return self._stack(self._best(own < most, top) for most in kept)

    def at_random(self, kept: Sequence[int], top: int) -> Floats:
        """(G, J, 3) what is to be expected where the kept ones are drawn at random."""
        return self._stack(chance_to_be_taken(self.place, self.size, most, top) for most in kept)

    def _best(self, kept: NDArray[np.bool_], top: int) -> NDArray[np.bool_]:
        """The first k of each request that are kept."""
        upto: Integers = np.cumsum(kept)
        before: Integers = (upto - kept)[self.start]
        return kept & (upto - before <= top)

    def _stack(self, taken: Iterable[Floats | NDArray[np.bool_]]) -> Floats:
        return np.stack([self._sums(one) for one in taken], axis=1)

    def _sums(self, taken: Floats | NDArray[np.bool_]) -> Floats:
        if not len(taken):
            return np.zeros((0, len(QUANTITIES)))
        return np.add.reduceat(self.gains * taken[:, None], self._starts, axis=0)


@dataclass(frozen=True)
class CellSums:
    """A replay's sums in one cell, by request.

    requests  (G,) rows of the requests with a choice, which the cell counts
    whole     (G, 3) without a cut                          taken       (G, M, J, 3) after it
    """

    cell: ReplayCell
    requests: Integers
    whole: Floats
    taken: Floats

    @classmethod
    def of(
        cls,
        where: Slice,
        choice: Choice,
        scores: Iterable[NDArray[np.floating]],
        kept: Sequence[int],
        top: int,
    ) -> Self:
        """From the scores of each predictor, for the rows that the choice was made from; a random cut comes last."""
        taken = [choice.taken(score[choice.rows], kept, top) for score in scores]
        cell = ReplayCell(
            **where._asdict(),
            requests=len(choice.requests),
            alone=choice.alone,
            candidates=len(choice.rows),
            cut=tuple(choice.cut(most) for most in kept),
        )
        return cls(
            cell=cell,
            requests=choice.requests,
            whole=choice.whole(top),
            taken=np.stack([*taken, choice.at_random(kept, top)], axis=1),
        )


def chance_to_be_taken(place: Integers, size: Integers, kept: int, top: int) -> Floats:
    """Chance that the candidate at a place (from 0) of `size` is among the best k of K drawn at random; k ≤ K.

    It is drawn, and with it j < k of the p = `place` better ones: Σⱼ C(p, j) · C(size − 1 − p, K − 1 − j) / C(size, K).
    """
    most = int(size.max(initial=0)) + 1
    pairs, inverse = np.unique(size * most + place, return_inverse=True)  # few, however many the candidates
    n, better = np.divmod(pairs, most)
    chance: Floats = (better < top).astype(np.float64)
    drawn = np.flatnonzero(n > kept)
    n, better = n[drawn], better[drawn]
    logs = np.r_[0.0, np.cumsum(np.log(np.arange(1, most)))]  # ln n!

    def choose(of: Integers, some: Integers) -> Floats:
        possible = (some >= 0) & (some <= of)
        some = np.where(possible, some, 0)
        found: Floats = np.where(possible, logs[of] - logs[some] - logs[of - some], -np.inf)
        return found

    whole = choose(n, np.full_like(n, kept))
    chance[drawn] = sum(
        np.exp(
            choose(better, np.full_like(n, j)) + choose(n - 1 - better, np.full_like(n, kept - 1 - j)) - whole
        )
        for j in range(top)
    )
    of_each: Floats = chance[inverse]
    return of_each
