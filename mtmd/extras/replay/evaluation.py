"""Replay: what a cut by each predictor would have left of the heavyweight ranker's best, on logged requests.

The logs have every candidate's teacher scores, so it needs no simulation: a predictor keeps a request's K best, and
the heavyweight ranker takes its best k of these. Both rank by value = bid × score of the first task. It is what the cut
itself costs; what else would have been retrieved, shown or learnt, logs can't say. Ties go by the order of the day's
rows; a candidate that ties with the k-th best counts as one of the top.

P candidates of the day, N of them with a choice, G requests, M predictors, J numbers K of kept candidates,
S resamples; the last axis has the two quantities, recall and value.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from mtmd.config import Declarations, EvaluationConfig, Frozen
from mtmd.errors import LogsError
from mtmd.evaluate.bootstrap import Predictions, poisson_weights, request_blocks
from mtmd.evaluate.held_out import HeldOutDay, places
from mtmd.evaluate.metrics import Floats, Integers, ratio
from mtmd.evaluate.report import Estimate
from mtmd.extract.shards import Days, Shard, open_shard, read_manifest
from mtmd.extract.sources import ads_digests, read_ads
from mtmd.run import RunPlan
from mtmd.store.files import write_json

FORMAT = 3  # raise it whenever the same predictions of the same rows would give another replay
REPLAY = "replay.json"
CUTS = {
    1: (1, 2, 3),
    3: (3, 4, 6, 8),
}  # k ads that the heavyweight ranker takes → K that it is given to choose from
RANDOM, DIFFERENCE = "random", "difference"  # shares of a random cut, the floor; and candidate − reference
QUANTITIES = ("recall", "value")


class ReplayShare(Frozen):
    """What is left after a cut, as a share of what the heavyweight ranker takes without one; None of nothing."""

    model_config = ConfigDict(allow_inf_nan=False)

    predictor: str
    top: int = Field(description="k: ads that the heavyweight ranker takes")
    kept: int = Field(description="K: candidates of a request that the predictor keeps")
    recall: Estimate | None = Field(description="of the heavyweight ranker's best k ads")
    value: Estimate | None


class ReplayReport(Frozen):
    """Every predictor's cuts of the held-out day's requests, and the candidate's against one reference."""

    candidate: str
    reference: str = Field(description="the champion, or the per-slice baselines")
    task: str = Field(description="whose chance is multiplied with the bid")
    without_bid: int = Field(description="candidates with an unknown bid, which are not ranked")
    requests: int = Field(description="with two ranked candidates or more: those that are counted")
    alone: int = Field(description="requests with a single one: nothing to choose, not counted")
    cut: dict[int, int] = Field(description="K → requests with more than K candidates")
    shares: tuple[ReplayShare, ...]

    def share(self, predictor: str, top: int, kept: int) -> ReplayShare:
        """What a predictor's cut leaves."""
        wanted = (predictor, top, kept)
        return next(one for one in self.shares if (one.predictor, one.top, one.kept) == wanted)


def write(plan: RunPlan, days: Days, day: HeldOutDay, predictions: Predictions, directory: Path) -> None:
    """Write the day's replay beside its evaluation; none where the first task has no scores of all candidates.

    Raises LogsError when the day's bids are no longer those of its shard.
    """
    if plan.preset.domains.tasks[0].from_actions:
        return
    reference = next(name for name in ("champion", "per_slice", "constant") if name in predictions)
    shard, config = open_shard(Path(days.held_out.path)), plan.preset.evaluation
    bid = _bids(plan, shard)[shard.ad_row.numpy()]
    report = replay_day(
        plan.preset.declarations,
        day,
        bid,
        predictions,
        config,
        reference=reference,
        candidate=plan.candidate,
    )
    write_json(directory / REPLAY, report.model_dump(mode="json"))


def _bids(plan: RunPlan, shard: Shard) -> NDArray[np.float32]:
    """The bid of each ad of a day's shard, in its order: (A,), NaN where it is unknown."""
    read = read_ads(plan.source, shard.day, plan.preset.declarations)
    bids = np.concatenate([ads.bid for ads in read])
    digests = ads_digests(plan.source, shard.day, plan.workspace.shards / "digests")
    if digests != read_manifest(shard.path).sources["ads"]:
        raise LogsError(
            f"ads of {shard.day} changed after the day was extracted, so their bids may be another day's; run the day "
            "again, which extracts it anew"
        )
    return bids


def replay_day(
    declarations: Declarations,
    day: HeldOutDay,
    bid: NDArray[np.floating],
    predictions: Predictions,
    config: EvaluationConfig,
    *,
    reference: str,
    candidate: str | None = None,
    cuts: Mapping[int, Sequence[int]] = CUTS,
) -> ReplayReport:
    """Shares of each predictor's (P, T) log-probabilities, with intervals over requests.

    `candidate` is one of the predictors, the first where it is left out.
    `bid` (P,) is of each candidate's ad; one whose bid is unknown (NaN) is no candidate.
    """
    candidate = candidate or next(iter(predictions))
    bids: Floats = bid.astype(np.float64)
    score: Floats = day.teacher[:, 0].astype(np.float64)
    absent, value = np.isnan(score), bids * np.nan_to_num(score)
    guesses = {
        name: bids * np.exp(np.where(absent, -np.inf, log_p[:, 0])).astype(np.float64)
        for name, log_p in predictions.items()
    }
    guesses[RANDOM] = np.random.default_rng(config.bootstrap_seed).random(len(bids))
    ranked = np.flatnonzero(~np.isnan(bids) & ~absent)
    requests, group, counts = np.unique(day.request[ranked], return_inverse=True, return_counts=True)
    rows, chosen = ranked[counts[group] > 1], counts > 1
    shares: list[ReplayShare] = []
    for top, kept in cuts.items():
        gains = _gains(day.request[rows], value[rows], [guess[rows] for guess in guesses.values()], top, kept)
        sums = _resampled(requests[chosen], gains, config)
        shares += _shares(sums, list(guesses), (candidate, reference), top, kept)
    return ReplayReport(
        candidate=candidate,
        reference=reference,
        task=declarations.domains.task_names[0],  # a root: parents come before their children
        without_bid=int(np.isnan(bids).sum()),
        requests=int(chosen.sum()),
        alone=int((counts == 1).sum()),
        cut={most: int((counts > most).sum()) for kept in cuts.values() for most in kept},
        shares=tuple(shares),
    )


def _gains(
    request: Integers, value: Floats, guesses: Sequence[Floats], top: int, kept: Sequence[int]
) -> Floats:
    """(G, 1 + M·J, 2) what the best k of each request bring: of all, and of what each predictor keeps.

    `request` (N,), ascending, and `value` (N,) are of the candidates with a choice, like each predictor's guess.
    """
    if not len(request):
        return np.zeros((0, 1 + len(guesses) * len(kept), len(QUANTITIES)))
    starts = np.flatnonzero(np.r_[True, request[1:] != request[:-1]])
    edge = np.minimum.reduceat(
        np.where(places(request, value) < top, value, np.inf), starts
    )  # of the k-th best
    size = np.diff(np.r_[starts, len(request)])
    gains = np.column_stack([value >= np.repeat(edge, size), value])

    def best(kept: NDArray[np.bool_]) -> Floats:
        """(G, 2) what the best k of each request's that are kept bring."""
        taken = kept & (places(request, np.where(kept, value, np.nan)) < top)
        return np.add.reduceat(gains * taken[:, None], starts, axis=0)

    parts = [best(np.ones(len(request), np.bool_))]
    parts += [best(places(request, guess) < most) for guess in guesses for most in kept]
    return np.stack(parts, axis=1)


def _resampled(requests: Integers, gains: Floats, config: EvaluationConfig) -> Floats:
    """(1 + S, …) of (G, …): sums over the day's requests, then over those of each resample."""
    drawn = np.zeros((1 + config.resamples, *gains.shape[1:]))
    drawn[0] = gains.sum(axis=0)
    for start, stop in request_blocks([requests]):
        span = slice(*np.searchsorted(requests, [start, stop]))
        weights = poisson_weights(config.bootstrap_seed, start, stop - start, config.resamples)
        drawn[1:] += np.tensordot(weights[requests[span] - start].T, gains[span], axes=1)
    return drawn


def _shares(
    sums: Floats, names: list[str], pair: tuple[str, str], top: int, kept: Sequence[int]
) -> Iterator[ReplayShare]:
    """One per predictor and K, then those of the difference between a pair of predictors."""
    shares = ratio(sums[:, 1:], sums[:, :1]).reshape(len(sums), len(names), -1, len(QUANTITIES))
    own, other = (names.index(name) for name in pair)
    shares = np.concatenate([shares, shares[:, own : own + 1] - shares[:, other : other + 1]], axis=1)
    tails = [(1.0 - EvaluationConfig.confidence) / 2.0, (1.0 + EvaluationConfig.confidence) / 2.0]
    bounds = np.quantile(shares[1:], tails, axis=0)  # (2, M + 1, J, 2), NaN where a resample was empty
    for m, name in enumerate((*names, DIFFERENCE)):
        for j, most in enumerate(kept):
            found = [_estimate(shares[0, m, j, q], bounds[:, m, j, q]) for q in range(len(QUANTITIES))]
            yield ReplayShare(predictor=name, top=top, kept=most, **dict(zip(QUANTITIES, found, strict=True)))


def _estimate(value: float, bounds: Floats) -> Estimate | None:
    if np.isnan(value):
        return None
    low, high = (None if np.isnan(bound) else float(bound) for bound in bounds)
    return Estimate(value=value, low=low, high=high)
