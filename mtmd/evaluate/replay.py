"""Replay: what a cut by each predictor would have left of the heavyweight ranker's best, on logged requests.

The logs have every candidate's teacher scores, so it needs no simulation: a predictor keeps a request's K best, and
the heavyweight ranker takes its best k of these. Both rank by value = bid × Σ weight · score over the tasks that a
candidate's product has. It is what the cut itself costs; what else would have been retrieved, shown or learnt, logs
can't say. Ties go by the order of the day's rows; a candidate that ties with the k-th best counts as one of the top.

P candidates of the day, N of them with a choice, G requests, M predictors, J numbers K of kept candidates,
S resamples; the last axis has the two quantities, recall and value.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from mtmd.config import Declarations, EvaluationConfig, Frozen
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
        """What a predictor's cut leaves."""
        return next(one for one in self.shares if (one.predictor, one.kept) == (predictor, kept))


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
    requests, group, counts = np.unique(day.request[ranked], return_inverse=True, return_counts=True)
    rows, chosen = ranked[counts[group] > 1], counts > 1
    cuts = _cuts(day.request[rows], value[rows], [guess[rows] for guess in guesses.values()], config)
    return ReplayReport(
        as_of=as_of,
        candidate=candidate,
        reference=reference,
        top=config.replay_top,
        kept=config.replay_kept,
        weights=weights,
        confidence=config.confidence,
        without_bid=int(np.isnan(bid).sum()),
        requests=int(chosen.sum()),
        alone=int((counts == 1).sum()),
        cut=tuple(int((counts > most).sum()) for most in config.replay_kept),
        shares=tuple(
            _shares(_resampled(requests[chosen], cuts, config), list(guesses), (candidate, reference), config)
        ),
    )


def _cuts(request: Integers, value: Floats, guesses: Sequence[Floats], config: EvaluationConfig) -> Floats:
    """(G, 1 + M·J, 2) what the best k of each request bring: of all, and of what each predictor keeps.

    `request` (N,), ascending, and `value` (N,) are of the candidates with a choice, like each predictor's guess.
    """
    if not len(request):
        return np.zeros((0, 1 + len(guesses) * len(config.replay_kept), len(QUANTITIES)))
    starts = np.flatnonzero(np.r_[True, request[1:] != request[:-1]])
    size = np.diff(np.r_[starts, len(request)])
    place = np.arange(len(request)) - np.repeat(
        starts, size
    )  # in its request, of what stands there in an order
    order = np.lexsort((-value, request))
    value = value[order]
    edge = value[np.repeat(starts + np.minimum(config.replay_top, size) - 1, size)]  # of the k-th best
    gains = np.column_stack([value >= edge, value])

    def best(kept: NDArray[np.bool_]) -> Floats:
        """(G, 2) what the first k of each request that are kept bring."""
        upto: Integers = np.cumsum(kept)
        before: Integers = np.repeat((upto - kept)[starts], size)
        taken = kept & (upto - before <= config.replay_top)
        return np.add.reduceat(gains * taken[:, None], starts, axis=0)

    parts = [best(np.ones(len(request), np.bool_))]
    for guess in guesses:
        own = np.empty(len(request), dtype=np.int64)  # the predictor's place of each candidate
        own[np.lexsort((-guess, request))] = place
        parts += [best(own[order] < most) for most in config.replay_kept]
    return np.stack(parts, axis=1)


def _resampled(requests: Integers, cuts: Floats, config: EvaluationConfig) -> Floats:
    """(1 + S, …) of (G, …): sums over the day's requests, then over those of each resample."""
    drawn = np.zeros((1 + config.resamples, *cuts.shape[1:]))
    drawn[0] = cuts.sum(axis=0)
    for start, stop in request_blocks([requests]):
        span = slice(*np.searchsorted(requests, [start, stop]))
        weights = poisson_weights(config.bootstrap_seed, start, stop - start, config.resamples)
        drawn[1:] += np.tensordot(weights[requests[span] - start].T, cuts[span], axes=1)
    return drawn


def _shares(
    sums: Floats, names: list[str], pair: tuple[str, str], config: EvaluationConfig
) -> Iterator[ReplayShare]:
    """One per predictor and K, then those of the difference between a pair of predictors."""
    shares = ratio(sums[:, 1:], sums[:, :1]).reshape(len(sums), len(names), -1, len(QUANTITIES))
    own, other = (names.index(name) for name in pair)
    shares = np.concatenate([shares, shares[:, own : own + 1] - shares[:, other : other + 1]], axis=1)
    tails = [(1.0 - config.confidence) / 2.0, (1.0 + config.confidence) / 2.0]
    bounds = np.quantile(shares[1:], tails, axis=0)  # (2, M + 1, J, 2), NaN where a resample was empty
    for m, name in enumerate((*names, DIFFERENCE)):
        for j, kept in enumerate(config.replay_kept):
            found = [_estimate(shares[0, m, j, q], bounds[:, m, j, q]) for q in range(len(QUANTITIES))]
            yield ReplayShare(predictor=name, kept=kept, **dict(zip(QUANTITIES, found, strict=True)))


def _estimate(value: float, bounds: Floats) -> Estimate | None:
    if np.isnan(value):
        return None
    low, high = (None if np.isnan(bound) else float(bound) for bound in bounds)
    return Estimate(value=value, low=low, high=high)
