"""How contestants do on one held-out day, and how sure a difference is over several days.

Every figure of a day is resampled as in `mtmd.evaluate.bootstrap`: a request counts Poisson(1) times, the same number
for all contestants, so that differences are paired. Over days the bootstrap has two levels: days are drawn with
replacement, and of each drawn day one of its own resamples of requests. Differences between days contain the noise of
their requests already; drawing requests on top would count it twice. So days are first drawn towards their mean until
both levels together vary as the days do (A. C. Davison, D. V. Hinkley, Bootstrap Methods, 1997, §3.8), and no less than
their requests say. Few days tell little of how much days vary: an interval is never narrower than Student's over days.

C contestants, N rows of a slice, R requests, S resamples, D days, Q columns: LogMAE by rank bucket and of the
rest, or NE there where the slice's task learns from actions; then the other sums.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from math import expm1, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Declarations, EvaluationConfig, Frozen
from mtmd.errors import EvaluationError
from mtmd.evaluate.bootstrap import poisson_weights, request_blocks
from mtmd.evaluate.evaluation import METRICS_FORMAT, log_probabilities, values_of
from mtmd.evaluate.held_out import HeldOutDay, Scored, SliceRows, cut, whole_tasks
from mtmd.evaluate.metrics import (
    NAMED,
    Floats,
    Integers,
    area,
    area_influence,
    clip_log_p,
    log_ratio,
    ratio,
)
from mtmd.evaluate.report import Estimate
from mtmd.extract.shards import open_shard
from mtmd.extras.backtest.contestants import OnDay, require_same
from mtmd.store.files import digest, read_json, write_json
from mtmd.store.workspace import make_once

ROWS, SLICES, LOGMAE, NE, BUCKET, AUC = "rows", "slices", "LogMAE", "NE", "bucket", "AUC"
_SUMMED = tuple(NAMED[name] for name in ("logmae", "recall", "winner_kl", "log_loss"))
_OF_ACTIONS = (NAMED["ne"], *_SUMMED[1:])
RECALL, WINNER_KL, LOG_LOSS = (metric.label for metric in _SUMMED[1:])
FORMAT = 1  # raise it whenever the same models would give other figures of a day
_NAMES, _ARRAYS = "figures.json", "resamples.npy"
LONGEST = 365  # days that a difference is awaited for
Models = Sequence[Sequence[NDArray[np.floating]]]  # of contestants, of their seeds: (P, T) log-probabilities


class DayFigures(Frozen):
    """A day's figures on disk."""

    day: date
    path: str
    rows: int
    seconds: tuple[float, ...] = Field(description="of training, by contestant, mean over seeds")

    def arrays(self) -> dict[str, Floats]:
        """Each figure, (1 + S, C): of the day, then of each resample of its requests."""
        names, found = read_json(Path(self.path) / _NAMES), np.load(Path(self.path) / _ARRAYS)
        return dict(zip(names, found, strict=True))


def measure_day(contestants: Sequence[OnDay]) -> DayFigures:
    """Score the held-out day with every contestant's models, or take what was measured of the same models.

    Raises EvaluationError where contestants don't read the same rows, or a score is no log-probability.
    """
    first, names = contestants[0], [one.name for one in contestants]
    preset, held_out = first.plan.preset, [one.held_out.fingerprint for one in contestants]
    keys = [[model.key for model in one.trained] for one in contestants]
    limits = preset.evaluation.model_dump(mode="json")
    final = first.plan.workspace.evaluation(digest([FORMAT, METRICS_FORMAT, names, keys, held_out, limits]))

    def build(directory: Path) -> None:
        shards = [open_shard(Path(one.held_out.path)) for one in contestants]
        for name, shard in zip(names, shards, strict=True):
            require_same(name, shard, shards[0])
        models = [one.scores(shard) for one, shard in zip(contestants, shards, strict=True)]
        day = HeldOutDay.of(shards[0], preset.declarations)
        found = figures_of_day(names, models, day, preset.declarations, preset.evaluation)
        write_json(directory / _NAMES, list(found))
        np.save(directory / _ARRAYS, np.stack(list(found.values())))

    make_once(final, build)
    seconds = [float(np.mean([model.fit.seconds for model in one.trained])) for one in contestants]
    rows = first.held_out.candidates
    return DayFigures(day=first.plan.as_of, path=str(final), rows=rows, seconds=tuple(seconds))


def figures_of_days(days: Sequence[DayFigures]) -> list[dict[str, Floats]]:
    """Of each; raises EvaluationError naming days on which nothing can be compared."""
    found = [day.arrays() for day in days]
    if without := [
        f"{day.day}" for day, own in zip(days, found, strict=True) if np.isnan(own[ROWS][0]).any()
    ]:
        raise EvaluationError(
            f"on {', '.join(without)} no action happened on ads that were shown, or all did: errors have no unit",
            "correct the labels, or leave these days out: [left_out] of the preset",
        )
    return found


def is_higher_better(figure: str) -> bool:
    """Whether more of a figure is better: it is compared by its difference; others are errors, compared by ratio."""
    return figure == RECALL or figure.startswith(AUC)


def error_of(figures: Iterable[str]) -> str:
    """What rows and slices are compared by: LogMAE, or NE where all tasks learn from actions."""
    kinds = {name.partition(" ")[0] for name in figures}
    return NE if NE in kinds and LOGMAE not in kinds else LOGMAE


def figures_of_day(
    names: Sequence[str],
    models: Models,
    day: HeldOutDay,
    declarations: Declarations,
    config: EvaluationConfig,
) -> dict[str, Floats]:
    """Each figure, (1 + S, C): of all requests, then of each resample; means over seeds, NaN where it is undefined.

    LogMAE over the rows of all tasks (each row of each task counts once), as the mean over slices, by task and by top
    rank bucket; recall and KL of the heavyweight ranker's winners; log loss and AUC on real actions. Resampled AUC is
    linear in how often a request counts. Tasks that learn from actions have NE by task; where all do, it is LogMAE's
    place, and there are no buckets and winners.

    Raises EvaluationError naming contestant, slice and count of values that are no log-probabilities.
    """
    parts, top = list(cut(day, declarations, config)), min(config.interval_buckets, config.buckets)
    for name, seeds in zip(names, models, strict=True):
        for part in parts:
            for log_p in seeds:
                log_probabilities(name, part, log_p)
    scored = [[Scored.of(day, log_p, config.kept) for log_p in seeds] for seeds in models]
    sums = _sums(parts, scored, config, top)
    counts, errors = sums[:, :, :1, : top + 1], sums[:, :, 1:, : top + 1]
    scores = [place for place, part in enumerate(parts) if part.source == "scores"]
    main = scores or [*range(len(parts))]
    of_slice = ratio(errors[:, main].sum(axis=3), counts[:, main].sum(axis=3))  # (1 + S, slices, C)
    found = {
        ROWS: ratio(errors[:, main].sum(axis=(1, 3)), counts[:, main].sum(axis=(1, 3))),
        SLICES: ratio(np.nansum(of_slice, axis=1), (~np.isnan(of_slice)).sum(axis=1).astype(np.float64)),
    }
    for task in declarations.domains.task_names:
        own = [place for place, part in enumerate(parts) if part.slice.task == task]
        label = LOGMAE if task in declarations.domains.score_tasks else NE
        found[f"{label} {task}"] = ratio(errors[:, own].sum(axis=(1, 3)), counts[:, own].sum(axis=(1, 3)))
    for bucket in range(top if scores else 0):
        found[f"{BUCKET} {bucket}"] = ratio(errors[..., bucket].sum(axis=1), counts[..., bucket].sum(axis=1))
    for place, metric in enumerate(_SUMMED[1:], top + 1):
        if scores or metric.source is None:
            found[metric.label] = ratio(sums[:, :, 1:, place].sum(axis=1), sums[:, :, :1, place].sum(axis=1))
    return found | _areas(parts, models, config)


def _sums(
    parts: Sequence[SliceRows], models: Sequence[Sequence[Scored]], config: EvaluationConfig, top: int
) -> Floats:
    """(1 + S, slices, 1 + C, Q): first what is below in each ratio, then what is above, by contestant."""
    sums = np.zeros((1 + config.resamples, len(parts), 1 + len(models), top + len(_SUMMED)))
    for start, stop, draws in _draws([part.request for part in parts], config):
        for place, part in enumerate(parts):
            if len((own := part.within(start, stop)).rows):
                of = [
                    [values_of(own, clip_log_p(log_p[own.rows, own.task]), kept) for log_p, kept in seeds]
                    for seeds in models
                ]
                request, bucket = own.request - start, np.minimum(own.bucket, top)
                summed = _SUMMED
                if part.source == "actions":
                    bucket, summed = np.full(len(request), top), _OF_ACTIONS
                below = _by_request(request, bucket, of[0][:1], [one.below for one in summed], top)
                above = (
                    _by_request(request, bucket, seeds, [one.above for one in summed], top) for seeds in of
                )
                found = np.stack([below, *above], axis=1)  # (R, 1 + C, Q), up to the last request with rows
                sums[:, place] += np.tensordot(draws[:, : len(found)], found, axes=1)
    return sums


def _by_request(
    request: Integers, bucket: Integers, seeds: Sequence[dict[str, Floats]], names: Sequence[str], top: int
) -> Floats:
    """(R, Q) of a block's requests, means over seeds: the first name by rank bucket and the rest, others at all."""
    nothing = np.zeros(len(request))  # of what needs scores, where there are none
    first, *others = (np.mean([values.get(name, nothing) for values in seeds], axis=0) for name in names)
    size = int(request[-1]) + 1
    inside = np.bincount(request * (top + 1) + bucket, first, size * (top + 1)).reshape(size, -1)
    return np.column_stack([inside, *(np.bincount(request, values, size) for values in others)])


def _areas(parts: Sequence[SliceRows], models: Models, config: EvaluationConfig) -> dict[str, Floats]:
    """AUC of each task that has both classes, and their mean, (1 + S, C)."""
    found: dict[str, Floats] = {}
    for whole, _ in whole_tasks(parts):
        request, action, rows = whole.request[whole.observed], whole.action, whole.rows[whole.observed]
        if action.all() or not action.any():
            continue
        scores = [[clip_log_p(log_p[rows, whole.task]) for log_p in seeds] for seeds in models]
        influence = [np.mean([area_influence(score, action) for score in seeds], axis=0) for seeds in scores]
        by_request = np.stack([np.bincount(request, own) for own in influence], axis=1)  # (R, C)
        areas = np.zeros((1 + config.resamples, len(models)))
        areas += [np.mean(np.array([area(score, action) for score in seeds], np.float64)) for seeds in scores]
        for start, stop, draws in _draws([np.unique(request)], config):
            areas += draws @ by_request[start:stop]
        found[f"{AUC} {whole.slice.task}"] = areas
    return ({AUC: np.mean(list(found.values()), axis=0)} if found else {}) | found


def _draws(
    requests: Sequence[NDArray[np.int64]], config: EvaluationConfig
) -> Iterator[tuple[int, int, Floats]]:
    """Blocks of requests: first, end, and how often each counts, (1 + S, R), once in the first row."""
    for start, stop in request_blocks(requests):
        weights = poisson_weights(config.bootstrap_seed, start, stop - start, config.resamples)
        yield start, stop, np.concatenate([np.ones((1, stop - start)), weights.T.astype(np.float64)])


def differences(figure: str, found: Floats) -> Floats:
    """(1 + S, C) of a figure, of each contestant to the first: logarithms of ratios, or differences."""
    return found - found[:, :1] if is_higher_better(figure) else log_ratio(found, found[:, :1])


class OverDays(NamedTuple):
    """A difference over days: its mean, how far chance reaches to both sides, and how much one day varies.

    reach is of the days that are there and their requests; of a single day, of its requests alone.
    """

    mean: float
    reach: float
    spread: float

    @property
    def is_sure(self) -> bool:
        return abs(self.mean) > self.reach > 0.0  # of one request, resamples do not differ


def over_days(days: Sequence[Floats], confidence: float, seed: int) -> OverDays:
    """The mean over D days of a difference, each (1 + S,): of the day, then of its resamples; a day counts once."""
    own = np.array([day[0] for day in days])
    noise = [day[1:][~np.isnan(day[1:])] - day[0] for day in days]
    within = float(np.mean([one.var(ddof=1) for one in noise]))
    if len(days) == 1:
        return OverDays(float(own[0]), _student(confidence) * sqrt(within), sqrt(within))
    observed = float(own.var(ddof=1))
    between = max(observed - within, 0.0)
    kept = sqrt(between / own.var()) if observed else 0.0  # of a day's distance to the mean
    random, resamples = np.random.default_rng(seed), len(days[0]) - 1
    drawn = random.integers(0, len(days), (resamples, len(days)))
    values = own.mean() + kept * (own - own.mean())[drawn]
    for place, one in enumerate(noise):
        here = drawn == place
        values[here] += random.choice(one, int(here.sum()))
    both = _student(confidence) * float(values.mean(axis=1).std(ddof=1))
    few = _student(confidence, len(days)) * sqrt(observed / len(days))
    return OverDays(float(own.mean()), max(both, few), sqrt(max(observed, within)))


def days_to_decide(found: OverDays, confidence: float) -> int | None:
    """How many days would show a difference of this size, days varying as they did; None for more than a year."""
    for days in range(2, LONGEST + 1):
        if _student(confidence, days) * found.spread / sqrt(days) < abs(found.mean):
            return days
    return None


def improvement(figure: str, found: OverDays) -> Estimate:
    """How much better than the first: a share of its error, or a difference; positive is better."""
    low, high = found.mean - found.reach, found.mean + found.reach
    if is_higher_better(figure):
        return Estimate(value=found.mean, low=low, high=high)
    return Estimate(value=0.0 - expm1(found.mean), low=0.0 - expm1(high), high=0.0 - expm1(low))


def _student(confidence: float, days: int | None = None) -> float:
    """The quantile that an interval of so many days reaches to; without days, the normal one."""
    from scipy.special import ndtri, stdtrit  # noqa: PLC0415 - a third of a second

    tail = (1.0 + confidence) / 2.0
    return float(ndtri(tail) if days is None else stdtrit(days - 1, tail))
