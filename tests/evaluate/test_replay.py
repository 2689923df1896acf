"""A day's replay: every number against a plain-Python oracle, intervals against explicit sums, and its edges."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from itertools import combinations, groupby
from statistics import fmean

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.errors import EvaluationError
from mtmd.evaluate import bootstrap, replay
from mtmd.evaluate.bootstrap import poisson_weights
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.replay import replay_day
from mtmd.evaluate.replay_report import EVERYWHERE, RANDOM, ReplayReport
from mtmd.evaluate.report import ALL

AS_OF = date(2026, 1, 21)
WEIGHTS = {"ctr": 1.0, "octr": 3.0}
CONFIG = EvaluationConfig(replay_top=2, replay_kept=(2, 3, 5), value_weights=WEIGHTS, resamples=200)
MakeDay = Callable[..., HeldOutDay]
Row = tuple[int, float, float, float, float, int]
Sums = dict[int, tuple[list[float], list[list[float]]]]  # request → whole, and taken by K


@pytest.fixture(scope="module")
def day(make_day: MakeDay) -> HeldOutDay:
    """Some 10 candidates of a request on each surface, with scores of one digit, so that many tie."""
    day = make_day(700, seed=3)
    teacher = np.maximum(day.teacher.round(1), np.float32(0.05))
    return replace(day, teacher=teacher, request=day.request // 4)


@pytest.fixture(scope="module")
def bid(day: HeldOutDay) -> np.ndarray:
    """One in ten is unknown."""
    rng = np.random.default_rng(1)
    return np.where(rng.random(len(day.domain)) < 0.1, np.nan, rng.integers(1, 5, len(day.domain)))


@pytest.fixture(scope="module")
def predictions(day: HeldOutDay) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    log = np.log(np.nan_to_num(day.teacher, nan=0.5))
    noise = rng.normal(size=(2, *log.shape)).round(1)  # predictors tie, too
    return {"mtmd": np.minimum(log + 0.3 * noise[0], -0.01), "per_slice": np.minimum(log + noise[1], -0.01)}


@pytest.fixture(scope="module")
def report(
    day: HeldOutDay, bid: np.ndarray, predictions: dict[str, np.ndarray], declarations: Declarations
) -> ReplayReport:
    return replay_day(AS_OF, declarations, day, bid, predictions, CONFIG, reference="per_slice")


def rows_of(
    day: HeldOutDay, bid: np.ndarray, log_p: np.ndarray, declarations: Declarations, where: Slice
) -> list[Row]:
    """(request, heavyweight score, predictor's score, actions, value, row) of a cell, row by row."""
    names, found = declarations.domains.task_names, []
    for i, domain in enumerate(day.domain):
        at = declarations.domains.domains[domain]
        if at.surface != where.surface or where.product not in (ALL, at.product):
            continue
        scores = {
            name: float(day.teacher[i, t]) for t, name in enumerate(names) if not np.isnan(day.teacher[i, t])
        }
        own = {name: float(np.exp(log_p[i, names.index(name)])) for name in scores}
        worth = 0.0 if np.isnan(bid[i]) else float(bid[i])
        if where.product != ALL:
            if where.task in scores:
                score = scores[where.task]
                found.append((int(day.request[i]), score, own[where.task], score, worth * score, i))
        elif not np.isnan(bid[i]) and set(WEIGHTS) & set(scores):
            value, guess = (
                worth * sum(w * p[name] for name, w in WEIGHTS.items() if name in p) for p in (scores, own)
            )
            found.append((int(day.request[i]), value, guess, scores["ctr"], value, i))
    return found


def literal(rows: list[Row], kept: tuple[int, ...], top: int, *, at_random: bool = False) -> Sums:
    """By request with a choice, what is taken without and with each cut: by the predictor, or as a mean over all."""
    found: Sums = {}
    for request, group in groupby(rows, key=lambda row: row[0]):
        members = sorted(group, key=lambda row: (-row[1], -row[4], row[5]))
        if len(members) == 1:
            continue
        chosen = sorted(members, key=lambda row: (-row[2], row[5]))
        cuts = []
        for most in (min(one, len(members)) for one in kept):
            draws = combinations(members, most) if at_random else [chosen[:most]]
            cuts.append([fmean(q) for q in zip(*(brings(members, draw, top) for draw in draws), strict=True)])
        found[request] = brings(members, members, top), cuts
    return found


def brings(members: Sequence[Row], some: Sequence[Row], top: int) -> list[float]:
    """What the best of some of a request's members bring; these are in the heavyweight ranker's order."""
    edge = members[: min(top, len(members))][-1][1]
    taken = [row for row in members if row in some][:top]
    return [
        float(sum(row[1] >= edge for row in taken)),
        sum(row[3] for row in taken),
        sum(row[4] for row in taken),
    ]


@pytest.mark.parametrize("predictor", ["mtmd", "per_slice", RANDOM])
def test_every_share_is_that_of_the_literal_definition(
    day: HeldOutDay,
    bid: np.ndarray,
    predictions: dict[str, np.ndarray],
    declarations: Declarations,
    report: ReplayReport,
    predictor: str,
) -> None:
    log_p = predictions.get(predictor, predictions["mtmd"])
    assert len(report.slices) == 15
    assert report.by_value[1:] == tuple(Slice(s, ALL, "value") for s in declarations.domains.surfaces)
    everywhere: list[tuple[list[float], list[list[float]]]] = []
    for where in (*report.slices, *report.by_value[1:]):
        rows = rows_of(day, bid, log_p, declarations, where)
        sums = literal(rows, CONFIG.replay_kept, CONFIG.replay_top, at_random=predictor == RANDOM)
        found = list(sums.values())
        assert report.cell(where).requests == len(found)
        check(report, predictor, where, found)
        everywhere += found if where.product == ALL else []
    check(report, predictor, EVERYWHERE, everywhere)


def check(
    report: ReplayReport, predictor: str, where: Slice, found: list[tuple[list[float], list[list[float]]]]
) -> None:
    whole = np.sum([one for one, _ in found], axis=0)
    taken = np.sum([many for _, many in found], axis=0)
    for j, kept in enumerate(report.kept):
        share = report.share(predictor, where, kept)
        own = [share.recall.value, share.actions.value, share.value.value]
        assert own == pytest.approx(list(taken[j] / whole), abs=1e-6), (where, kept)


def test_the_cells_say_how_many_requests_have_a_choice(
    day: HeldOutDay, declarations: Declarations, report: ReplayReport
) -> None:
    for where in report.slices:
        domain = declarations.domains.domains.index(where[:2])
        counts = np.bincount(day.request[day.domain == domain])
        found = report.cell(where)
        assert (found.alone, found.requests) == ((counts == 1).sum(), (counts > 1).sum())
        assert found.candidates == counts[counts > 1].sum()
        assert found.cut == tuple((counts > kept).sum() for kept in CONFIG.replay_kept)
    whole = report.cell(EVERYWHERE)
    parts = [report.cell(where) for where in report.by_value[1:]]
    assert whole.requests == sum(part.requests for part in parts)
    assert whole.cut == tuple(sum(part.cut[j] for part in parts) for j in range(3))
    assert report.without_bid > 0


def test_intervals_are_those_of_explicit_resamples(
    day: HeldOutDay,
    bid: np.ndarray,
    predictions: dict[str, np.ndarray],
    declarations: Declarations,
    report: ReplayReport,
) -> None:
    """The same requests for both predictors in each resample: shares and their difference."""
    where = Slice("search", "standard", "ctr")
    first = min(
        min(literal(rows_of(day, bid, predictions["mtmd"], declarations, one), (2,), 2))
        for one in (*report.slices, *report.by_value)
        if one.surface == "search"
    )
    drawn = []
    for log_p in predictions.values():
        cuts = literal(rows_of(day, bid, log_p, declarations, where), CONFIG.replay_kept, CONFIG.replay_top)
        requests = np.array(list(cuts)) - first
        counts = poisson_weights(CONFIG.bootstrap_seed, first, int(day.request.max()) + 1, CONFIG.resamples)
        weights = counts[requests]  # (G, S)
        whole = np.array([one for one, _ in cuts.values()])
        taken = np.array([many for _, many in cuts.values()])[:, 1]  # K = 3
        drawn.append((weights.T @ taken) / (weights.T @ whole))
    low, high = np.quantile(drawn[0], [0.025, 0.975], axis=0)
    share = report.share("mtmd", where, 3)
    assert [share.recall.low, share.actions.low, share.value.low] == pytest.approx(list(low), abs=1e-5)
    assert [share.recall.high, share.actions.high, share.value.high] == pytest.approx(list(high), abs=1e-5)
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975], axis=0)
    difference = report.difference(where, 3)
    assert (difference.recall.low, difference.recall.high) == pytest.approx((low[0], high[0]), abs=1e-5)
    other = report.share("per_slice", where, 3)
    assert difference.recall.value == pytest.approx(share.recall.value - other.recall.value)


def test_requests_in_several_blocks_are_each_counted_once(
    day: HeldOutDay,
    bid: np.ndarray,
    predictions: dict[str, np.ndarray],
    declarations: Declarations,
    report: ReplayReport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With every request once in each resample, the bounds are the share itself."""
    monkeypatch.setattr(bootstrap, "BLOCK", 7)
    monkeypatch.setattr(
        replay, "poisson_weights", lambda seed, block, rows, many: np.ones((rows, many), np.float32)
    )
    once = replay_day(AS_OF, declarations, day, bid, predictions, CONFIG, reference="per_slice")
    for own, expected in zip(once.shares, report.shares, strict=True):
        for name in ("recall", "actions", "value"):
            found, value = getattr(own, name), getattr(expected, name).value
            assert (found.low, found.value, found.high) == pytest.approx((value, value, value), abs=1e-5)


def test_a_perfect_predictor_loses_nothing_and_no_one_keeps_less_than_chance(
    make_day: MakeDay, declarations: Declarations
) -> None:
    day = make_day(600, seed=5)
    log = np.log(np.nan_to_num(day.teacher.astype(np.float64), nan=0.5))
    found = replay_day(
        AS_OF, declarations, day, np.ones(600), {"mtmd": log, "champion": log}, EvaluationConfig(resamples=100),
        reference="champion",
    )  # fmt: skip
    for where in (*found.slices, *found.by_value):
        shares = [found.share(RANDOM, where, kept).recall.value for kept in found.kept]
        assert shares == sorted(shares)
        for kept in found.kept:
            own, difference = found.share("mtmd", where, kept), found.difference(where, kept)
            assert (own.recall.value, own.actions.value) == pytest.approx((1.0, 1.0))
            assert (difference.recall.value, difference.recall.low, difference.recall.high) == (0.0, 0.0, 0.0)


def test_without_bids_nothing_has_a_value_and_scores_still_rank(
    declarations: Declarations, make_day: MakeDay
) -> None:
    day = make_day(300)
    log = np.log(np.nan_to_num(day.teacher, nan=0.5))
    nothing = np.full(300, np.nan)
    found = replay_day(AS_OF, declarations, day, nothing, {"mtmd": log}, CONFIG, reference="mtmd")
    assert (found.without_bid, found.cell(EVERYWHERE).requests) == (300, 0)
    share = found.share("mtmd", found.slices[0], 2)
    assert share.value is None
    assert share.recall is not None


def test_a_report_survives_json_and_knows_what_it_lacks(report: ReplayReport) -> None:
    assert ReplayReport.model_validate_json(report.model_dump_json()) == report
    with pytest.raises(EvaluationError, match=r"no share of 'mtmd' in .* with 4 kept; .* kept: \[2, 3, 5\]"):
        report.share("mtmd", EVERYWHERE, 4)
    with pytest.raises(EvaluationError, match=r"no cell a × b × c"):
        report.cell(Slice("a", "b", "c"))


@pytest.mark.parametrize(
    ("bids", "columns", "names", "message"),
    [
        (9, 3, ("mtmd", "champion"), r"bid has shape \(9,\); it must be \(10,\)"),
        (10, 2, ("mtmd", "champion"), r"predictor 'mtmd' has shape \(10, 2\); it must be \(10, 3\)"),
        (10, 3, ("mtmd",), r"reference 'champion' has no predictions to replay; .*\['mtmd'\]"),
        (10, 3, ("champion",), r"candidate 'mtmd' has no predictions"),
    ],
)
def test_what_does_not_fit_is_an_error(
    declarations: Declarations,
    make_day: MakeDay,
    bids: int,
    columns: int,
    names: tuple[str, ...],
    message: str,
) -> None:
    given = {name: np.full((10, columns), -1.0) for name in names}
    with pytest.raises(EvaluationError, match=message):
        replay_day(AS_OF, declarations, make_day(10), np.ones(bids), given, CONFIG, reference="champion")
