"""Replay: what a cut by each predictor would have left of the heavyweight ranker's best, on logged requests.

The logs have every candidate's teacher scores, so it needs no simulation: a predictor keeps a request's K best, and
the heavyweight ranker takes its best k of these. It is what the cut itself costs; what else would have been retrieved,
shown or learnt, logs can't say. Slices are ranked by the task's score among the domain's candidates; whole requests
by value = bid × Σ weight · score over the tasks that a candidate's product has.

P candidates of the day, T tasks, R requests, C cells, M predictors, J cuts, S resamples.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.errors import EvaluationError
from mtmd.evaluate.bootstrap import poisson_weights, request_blocks
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.metrics import Floats, ratio
from mtmd.evaluate.replay_cells import QUANTITIES, CellSums, Choice
from mtmd.evaluate.replay_report import EVERYWHERE, RANDOM, VALUE, ReplayCell, ReplayReport, ReplayShare
from mtmd.evaluate.report import ALL, Estimate

REPLAY_FORMAT = 1  # raise it whenever the same predictions of the same rows would give another replay

Predictions = Mapping[str, NDArray[np.floating]]


def replay_day(
    as_of: date,
    declarations: Declarations,
    day: HeldOutDay,
    bid: NDArray[np.floating],
    predictions: Predictions,
    config: EvaluationConfig,
    *,
    reference: str,
    candidate: str = "mtmd",
) -> ReplayReport:
    """Shares of each predictor's (P, T) log-probabilities in every cell, with intervals over requests.

    `bid` (P,) is of each candidate's ad; an unknown one (NaN) makes a candidate worth nothing in slices, and no
    candidate where requests are ranked by value. Raises EvaluationError for arrays of other lengths, or when the
    candidate or the reference has no predictions.
    """
    _check(day, bid, predictions, candidate, reference)
    first = declarations.domains.task_names[0]  # a root: parents are declared before their children
    weights = config.value_weights or {first: 1.0}
    by_surface: list[_Sums] = []
    for surface in declarations.domains.surfaces:
        cells = list(_cells(surface, declarations, day, bid.astype(np.float64), predictions, config, weights))
        by_surface += _resample(cells, config)
    all_sums = [_everywhere(by_surface), *by_surface]
    names = (*predictions, RANDOM)
    own, other = names.index(candidate), names.index(reference)
    return ReplayReport(
        as_of=as_of,
        candidate=candidate,
        reference=reference,
        predictors=names,
        top=config.replay_top,
        kept=config.replay_kept,
        weights=weights,
        confidence=config.confidence,
        without_bid=int(np.isnan(bid).sum()),
        cells=tuple(sums.cell for sums in all_sums),
        shares=tuple(
            share
            for sums in all_sums
            for place, name in enumerate(names)
            for share in _read(name, sums.cell, sums.shares[place], sums.resampled[:, place], config)
        ),
        differences=tuple(
            share
            for sums in all_sums
            for share in _read(
                candidate,
                sums.cell,
                sums.shares[own] - sums.shares[other],
                sums.resampled[:, own] - sums.resampled[:, other],
                config,
            )
        ),
    )


@dataclass(frozen=True)
class _Sums:
    """A cell's sums over requests: whole (3,) and taken (M, J, 3), and in each resample (S, …)."""

    cell: ReplayCell
    whole: Floats
    taken: Floats
    whole_resampled: Floats
    taken_resampled: Floats

    @cached_property
    def shares(self) -> Floats:
        """(M, J, 3); NaN of nothing."""
        return ratio(self.taken, self.whole)

    @cached_property
    def resampled(self) -> Floats:
        """(S, M, J, 3); NaN in an empty resample."""
        return ratio(self.taken_resampled, self.whole_resampled[:, None, None])


def _check(
    day: HeldOutDay, bid: NDArray[np.floating], predictions: Predictions, candidate: str, reference: str
) -> None:
    for role, name in (("candidate", candidate), ("reference", reference)):
        if name not in predictions:
            raise EvaluationError(
                f"{role} {name!r} has no predictions to replay; give it beside {list(predictions)}"
            )
    for name, shape, wanted in (
        ("bid", bid.shape, day.domain.shape),
        *((f"predictor {name!r}", own.shape, day.teacher.shape) for name, own in predictions.items()),
    ):
        if shape != wanted:
            raise EvaluationError(
                f"{name} has shape {shape}; it must be {wanted}: one row per candidate of the day"
            )


def _cells(
    surface: str,
    declarations: Declarations,
    day: HeldOutDay,
    bid: Floats,
    predictions: Predictions,
    config: EvaluationConfig,
    weights: Mapping[str, float],
) -> Iterator[CellSums]:
    """Whole requests of a surface, then its slices."""
    domains, top, kept = declarations.domains, config.replay_top, config.replay_kept
    here = np.flatnonzero(day.domain // len(domains.products) == domains.surfaces.index(surface))
    weight = np.array([weights.get(task, 0.0) for task in domains.task_names])
    rows = here[~np.isnan(bid[here]) & ~np.isnan(day.teacher[here][:, weight > 0]).all(axis=1)]
    teacher = day.teacher[rows].astype(np.float64)
    value = bid[rows] * (np.nan_to_num(teacher) @ weight)
    choice = Choice.of(day.request[rows], value, np.nan_to_num(teacher[:, 0]), value, top)
    predicted = (
        bid[rows] * (np.exp(np.where(np.isnan(teacher), -np.inf, log_p[rows])) @ weight)
        for log_p in predictions.values()
    )
    yield CellSums.of(Slice(surface, ALL, VALUE), choice, predicted, kept, top)
    for where in (one for one in domains.slices if one.surface == surface):
        task, product = domains.task_names.index(where.task), domains.products.index(where.product)
        own = here[day.domain[here] % len(domains.products) == product]
        own = own[~np.isnan(day.teacher[own, task])]
        score = day.teacher[own, task].astype(np.float64)
        choice = Choice.of(day.request[own], score, score, np.nan_to_num(bid[own]) * score, top)
        logs = [log_p[own, task] for log_p in predictions.values()]
        yield CellSums.of(where, choice, logs, kept, top)


def _resample(cells: Sequence[CellSums], config: EvaluationConfig) -> Iterator[_Sums]:
    """A surface's cells: their sums in each resample, with the same requests for all of them."""
    shape, three = cells[0].taken.shape[1:], len(QUANTITIES)
    width = three + math.prod(shape)
    flat = [
        np.concatenate([sums.whole, sums.taken.reshape(len(sums.whole), width - three)], axis=1)
        for sums in cells
    ]
    resampled = np.zeros((config.resamples, len(cells), width))
    for start, stop in request_blocks([sums.requests for sums in cells]):
        block = np.zeros((stop - start, len(cells), width), np.float32)
        for place, (sums, rows) in enumerate(zip(cells, flat, strict=True)):
            span = slice(*np.searchsorted(sums.requests, [start, stop]))
            block[sums.requests[span] - start, place] = rows[span]
        weights = poisson_weights(config.bootstrap_seed, start, stop - start, config.resamples)
        resampled += (weights.T @ block.reshape(stop - start, -1)).reshape(resampled.shape)
    for place, sums in enumerate(cells):
        totals, drawn = flat[place].sum(axis=0), resampled[:, place]
        yield _Sums(
            cell=sums.cell,
            whole=totals[:three],
            taken=totals[three:].reshape(shape),
            whole_resampled=drawn[:, :three],
            taken_resampled=drawn[:, three:].reshape(-1, *shape),
        )


def _everywhere(by_surface: Sequence[_Sums]) -> _Sums:
    """Whole requests of all surfaces together."""
    whole = [sums for sums in by_surface if sums.cell.product == ALL]
    cells = [sums.cell for sums in whole]
    return _Sums(
        ReplayCell(
            **EVERYWHERE._asdict(),
            **{
                name: sum(getattr(cell, name) for cell in cells)
                for name in ("requests", "alone", "candidates")
            },
            cut=tuple(map(sum, zip(*(cell.cut for cell in cells), strict=True))),
        ),
        *(
            np.sum([getattr(sums, name) for sums in whole], axis=0)
            for name in ("whole", "taken", "whole_resampled", "taken_resampled")
        ),
    )


def _read(
    predictor: str, cell: ReplayCell, share: Floats, resampled: Floats, config: EvaluationConfig
) -> Iterator[ReplayShare]:
    """One per K of a predictor's share (J, 3), resampled (S, J, 3)."""
    tails = [(1.0 - config.confidence) / 2.0, (1.0 + config.confidence) / 2.0]
    low, high = np.quantile(resampled, tails, axis=0)  # (J, 3), NaN where a resample was empty
    for j, kept in enumerate(config.replay_kept):
        found = {name: _estimate(share[j, q], low[j, q], high[j, q]) for q, name in enumerate(QUANTITIES)}
        yield ReplayShare(predictor=predictor, **cell.slice._asdict(), kept=kept, **found)


def _estimate(value: float, low: float, high: float) -> Estimate | None:
    if np.isnan(value):
        return None
    known = not (np.isnan(low) or np.isnan(high))
    return Estimate(value=value, low=low if known else None, high=high if known else None)
