"""Replay: what a cut by each predictor would have left of the heavyweight ranker's best, on logged requests.

The logs have every candidate's teacher scores, so it needs no simulation: a predictor keeps a request's K best, and
the heavyweight ranker takes its best k of these. Both rank by value = bid × Σ weight · score over the tasks that a
candidate's product has. It is what the cut itself costs; what else would have been retrieved, shown or learnt, logs
can't say. Ties go by the order of the day's rows; a candidate that ties with the k-th best counts as one of the top.

P candidates of the day, N of them with a choice, G requests, M predictors, J numbers K of kept candidates, S resamples;
the last axis has the two quantities, recall and value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from mtmd.config import Declarations, EvaluationConfig, Frozen
from mtmd.errors import EvaluationError
from mtmd.evaluate.bootstrap import poisson_weights, request_blocks
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.metrics import Floats, Integers, ratio
from mtmd.evaluate.report import Estimate

REPLAY_FORMAT = 2  # raise it whenever the same predictions of the same rows would give another replay
RANDOM, DIFFERENCE = "random", "difference"  # shares of a random cut, the floor; and candidate − reference
QUANTITIES = ("recall", "value")


class ReplayShare(Frozen):
    """What is left after a cut, as a share of what the heavyweight ranker takes without one; None of nothing."""

    model_config = ConfigDict(allow_inf_nan=False)

    predictor: str
    kept: int = Field(description="K: candidates of a request that the predictor keeps")
    recall: Estimate | None = Field(description="of the heavyweight ranker's best k ads")
    value: Estimate | None


class ReplayReport(Frozen):
    """Every predictor's cuts of the held-out day's requests, and the candidate's against one reference."""

    as_of: date
    candidate: str
    reference: str = Field(
        description="what the candidate is compared with: the champion, or the per-slice baselines"
    )
    top: int = Field(description="k: ads that the heavyweight ranker takes")
    kept: tuple[int, ...]
    weights: dict[str, float] = Field(description="of the tasks in value")
    confidence: float
    without_bid: int = Field(description="candidates with an unknown bid, which are not ranked")
    requests: int = Field(description="with two ranked candidates or more: those that are counted")
    alone: int = Field(description="requests with a single one: nothing to choose, not counted")
    cut: tuple[int, ...] = Field(description="requests with more than K candidates, for each K")
    shares: tuple[ReplayShare, ...]

    def share(self, predictor: str, kept: int) -> ReplayShare:
        """What a predictor's cut leaves; raises EvaluationError for what was not replayed."""
        found = self._shares.get((predictor, kept))
        if found is None:
            raise EvaluationError(
                f"the replay has no share of {predictor!r} with {kept} kept; there are {list(self._shares)}"
            )
        return found

    @cached_property
    def _shares(self) -> dict[tuple[str, int], ReplayShare]:
        return {(one.predictor, one.kept): one for one in self.shares}


def replay_day(
    as_of: date,
    declarations: Declarations,
    day: HeldOutDay,
    bid: NDArray[np.floating],
    predictions: Mapping[str, NDArray[np.floating]],
    config: EvaluationConfig,
    *,
    reference: str,
    candidate: str = "mtmd",
) -> ReplayReport:
    """Shares of each predictor's (P, T) log-probabilities, with intervals over requests.

    `bid` (P,) is of each candidate's ad; one whose bid is unknown (NaN) is no candidate.
    """
    names = declarations.domains.task_names
    weights = config.value_weights or {names[0]: 1.0}  # a root: parents come before their children
    weight = np.array([weights.get(task, 0.0) for task in names])
    absent = np.isnan(day.teacher)
    value = bid * (np.nan_to_num(day.teacher.astype(np.float64)) @ weight)
    guesses = {
        name: bid * (np.exp(np.where(absent, -np.inf, log_p)) @ weight) for name, log_p in predictions.items()
    }
    guesses[RANDOM] = np.random.default_rng(config.bootstrap_seed).random(len(bid))
    ranked = np.flatnonzero(~np.isnan(bid) & ~absent[:, weight > 0].all(axis=1))
    choice = _Choice.of(day.request, value, ranked, config)
    kept, requests = config.replay_kept, choice.request[choice.starts]
    return ReplayReport(
        as_of=as_of,
        candidate=candidate,
        reference=reference,
        top=config.replay_top,
        kept=kept,
        weights=weights,
        confidence=config.confidence,
        without_bid=int(np.isnan(bid).sum()),
        requests=len(requests),
        alone=len(np.unique(day.request[ranked])) - len(requests),
        cut=tuple(int((choice.size[choice.starts] > most).sum()) for most in kept),
        shares=tuple(_shares(choice, guesses, (candidate, reference), config)),
    )


@dataclass(frozen=True)
class _Choice:
    """The candidates among which there is a choice, in the order of the day's rows.

    rows     (N,) rows of the day                            request  (N,) their requests, ascending
    start    (N,) first of its request                       size     (N,) candidates of its request
    order    (N,) places, request by request, best first     gains    (N, 2) in that order: 1 for a top one, and value
    """

    rows: Integers
    request: Integers
    start: Integers
    size: Integers
    order: Integers
    gains: Floats
    kept: tuple[int, ...]
    top: int

    @classmethod
    def of(cls, request: Integers, value: Floats, ranked: Integers, config: EvaluationConfig) -> Self:
        """From the (P,) requests and values to the heavyweight ranker, and the rows that it ranks."""
        _, group, counts = np.unique(request[ranked], return_inverse=True, return_counts=True)
        rows, size = ranked[counts[group] > 1], counts[group][counts[group] > 1]
        request, value = request[rows], value[rows]
        first = np.r_[True, request[1:] != request[:-1]][: len(rows)]
        start = np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
        order = np.lexsort((-value, request))
        last = start + np.minimum(config.replay_top, size) - 1  # place of the k-th best of the row's request
        best = value[order] >= value[order][last]
        gains = np.column_stack([best, value[order]]).astype(np.float64)
        return cls(rows, request, start, size, order, gains, config.replay_kept, config.replay_top)

    @property
    def place(self) -> Integers:
        """(N,) place in its request of what stands at each position of an order, from 0."""
        return np.arange(len(self.start)) - self.start

    @property
    def starts(self) -> Integers:
        """(G,) first place of each request."""
        return np.flatnonzero(self.place == 0)

    def taken(self, score: Floats) -> Floats:
        """(G, J, 2) what the best k of the kept ones bring, which a predictor keeps by its (P,) scores."""
        own = np.empty(len(self.rows), dtype=np.int64)  # the predictor's place of each row
        own[np.lexsort((-score[self.rows], self.request))] = self.place
        own = own[self.order]
        return np.stack([self.best(own < most) for most in self.kept], axis=1)

    def best(self, kept: NDArray[np.bool_]) -> Floats:
        """(G, 2) what the first k of each request that are kept bring."""
        if not len(kept):
            return np.zeros((0, len(QUANTITIES)))
        upto: Integers = np.cumsum(kept)
        before: Integers = (upto - kept)[self.start]
        taken = kept & (upto - before <= self.top)
        return np.add.reduceat(self.gains * taken[:, None], self.starts, axis=0)


def _shares(
    choice: _Choice, guesses: Mapping[str, Floats], pair: tuple[str, str], config: EvaluationConfig
) -> Iterator[ReplayShare]:
    """One per predictor and K, then those of the difference between a pair of predictors."""
    whole = choice.best(np.ones(len(choice.rows), np.bool_))[:, None]
    parts = [whole, *(choice.taken(guess) for guess in guesses.values())]  # (G, 1 or J, 2) each
    sums = _resampled(choice, np.concatenate(parts, axis=1), config)
    shares = ratio(sums[:, 1:], sums[:, :1]).reshape(len(sums), len(guesses), -1, len(QUANTITIES))
    own, other = (list(guesses).index(name) for name in pair)
    shares = np.concatenate([shares, shares[:, own : own + 1] - shares[:, other : other + 1]], axis=1)
    tails = [(1.0 - config.confidence) / 2.0, (1.0 + config.confidence) / 2.0]
    bounds = np.quantile(shares[1:], tails, axis=0)  # (2, M + 1, J, 2), NaN where a resample was empty
    for m, name in enumerate((*guesses, DIFFERENCE)):
        for j, kept in enumerate(config.replay_kept):
            found = [_estimate(shares[0, m, j, q], bounds[:, m, j, q]) for q in range(len(QUANTITIES))]
            yield ReplayShare(predictor=name, kept=kept, **dict(zip(QUANTITIES, found, strict=True)))


def _resampled(choice: _Choice, sums: Floats, config: EvaluationConfig) -> Floats:
    """(1 + S, …) of (G, …): sums over the day's requests, then over those of each resample."""
    requests = choice.request[choice.starts]
    drawn = np.zeros((1 + config.resamples, *sums.shape[1:]))
    drawn[0] = sums.sum(axis=0)
    for start, stop in request_blocks([requests]):
        span = slice(*np.searchsorted(requests, [start, stop]))
        weights = poisson_weights(config.bootstrap_seed, start, stop - start, config.resamples)
        drawn[1:] += np.tensordot(weights[requests[span] - start].T, sums[span], axes=1)
    return drawn


def _estimate(value: float, bounds: Floats) -> Estimate | None:
    if np.isnan(value):
        return None
    low, high = (None if np.isnan(bound) else float(bound) for bound in bounds)
    return Estimate(value=value, low=low, high=high)
