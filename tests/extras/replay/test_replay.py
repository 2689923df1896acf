"""A day's replay: every number against a plain-Python oracle, intervals against explicit sums, edges, and the page."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mtmd.config import Declarations, EvaluationConfig
from mtmd.errors import LogsError
from mtmd.evaluate import bootstrap
from mtmd.evaluate import stage as evaluate_stage
from mtmd.evaluate.bootstrap import poisson_weights
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.extras.replay.evaluation import DIFFERENCE, REPLAY, ReplayReport, replay_day
from mtmd.extras.replay.page import section
from mtmd.store.files import read_json
from tests.daily import Done
from tests.evaluate.conftest import declarations, make_day

__all__ = ["declarations", "make_day"]

TOP, KEPT = 2, (2, 3, 5)
BLOCK = 7  # requests whose weights are held at once: so there are several
CONFIG = EvaluationConfig(resamples=200)
MakeDay = Callable[..., HeldOutDay]
Sums = dict[int, tuple[list[float], list[list[float]]]]  # request → whole, and taken by K


@pytest.fixture(scope="module")
def day(make_day: MakeDay) -> HeldOutDay:
    """Some 30 candidates of a request, with scores of one digit, so that many tie."""
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
    declarations: Declarations, day: HeldOutDay, bid: np.ndarray, predictions: dict[str, np.ndarray]
) -> ReplayReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "BLOCK", BLOCK)
        cuts = {TOP: KEPT}
        return replay_day(declarations, day, bid, predictions, CONFIG, reference="per_slice", cuts=cuts)


def literal(day: HeldOutDay, bid: np.ndarray, log_p: np.ndarray) -> Sums:
    """By request with a choice, what is taken without and with each cut, row by row: recall and value."""
    rows = [
        (int(day.request[i]), bid[i] * float(day.teacher[i, 0]), bid[i] * float(np.exp(log_p[i, 0])), i)
        for i in range(len(day.domain))
        if not np.isnan(bid[i]) and not np.isnan(day.teacher[i, 0])
    ]
    found: Sums = {}
    for request, group in groupby(rows, key=lambda row: row[0]):
        members = sorted(group, key=lambda row: (-row[1], row[3]))
        if len(members) > 1:
            chosen = sorted(members, key=lambda row: (-row[2], row[3]))
            edge = members[min(TOP, len(members)) - 1][1]

            def brings(some: list, members: list = members, edge: float = edge) -> list[float]:
                taken = [row for row in members if row in some][:TOP]
                return [float(sum(row[1] >= edge for row in taken)), sum(row[1] for row in taken)]

            found[request] = brings(members), [brings(chosen[:most]) for most in KEPT]
    return found


def test_every_share_is_that_of_the_literal_definition(
    day: HeldOutDay, bid: np.ndarray, predictions: dict[str, np.ndarray], report: ReplayReport
) -> None:
    drawn = []
    for name, log_p in predictions.items():
        sums = literal(day, bid, log_p)
        whole = np.array([one for one, _ in sums.values()])
        taken = np.array([many for _, many in sums.values()])  # (G, J, 2)
        for j, kept in enumerate(KEPT):
            share = report.share(name, TOP, kept)
            own = [share.recall.value, share.value.value]
            expected = list(taken.sum(axis=0)[j] / whole.sum(axis=0))
            assert own == pytest.approx(expected, abs=1e-6), (name, kept)
        first, end = min(sums), max(sums) + 1
        counts = [
            poisson_weights(CONFIG.bootstrap_seed, start, min(BLOCK, end - start), CONFIG.resamples)
            for start in range(first, end, BLOCK)
        ]
        weights = np.concatenate(counts)[np.array(list(sums)) - first]  # (G, S), of both predictors
        drawn.append((weights.T @ taken[:, 1]) / (weights.T @ whole))
    assert report.requests == len(sums)
    low, high = np.quantile(drawn[0], [0.025, 0.975], axis=0)
    share, other = report.share("mtmd", TOP, 3), report.share("per_slice", TOP, 3)
    assert [share.recall.low, share.value.low] == pytest.approx(list(low), abs=1e-5)
    assert [share.recall.high, share.value.high] == pytest.approx(list(high), abs=1e-5)
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975], axis=0)
    difference = report.share(DIFFERENCE, TOP, 3)
    assert (difference.recall.low, difference.recall.high) == pytest.approx((low[0], high[0]), abs=1e-5)
    assert difference.recall.value == pytest.approx(share.recall.value - other.recall.value)


def test_the_table_has_a_row_per_cut_and_quantity(declarations: Declarations) -> None:
    """One request of A to D with ctr 0.4 to 0.1, and one that has nothing to choose, as its bid is unknown.

    By value they are D, B, A, C (1.0, 0.6, 0.4, 0.2). The champion knows all; mtmd has D, A, C, B: of the two that it
    keeps it loses B, 1.4 of 1.6; of three the same.
    """
    teacher = np.full((5, 3), 0.05, np.float32)
    teacher[:, 0] = [0.4, 0.3, 0.2, 0.1, 0.5]
    day = HeldOutDay(
        teacher=teacher,
        labels=np.full((5, 3), -1, np.int8),
        impressed=np.zeros(5, np.bool_),
        domain=np.zeros(5, np.int64),
        request=np.array([0, 0, 0, 0, 1]),
    )
    guess = np.repeat(np.array([0.4, 0.05, 0.35, 0.1, 0.5])[:, None], 3, axis=1)
    bid, given = np.array([1.0, 2.0, 1.0, 10.0, np.nan]), {"mtmd": np.log(guess), "champion": np.log(teacher)}
    cuts = {2: (2, 3, 4)}
    found = section(replay_day(declarations, day, bid, given, CONFIG, reference="champion", cuts=cuts))
    assert found.lead == (
        "1 of 1 requests have two candidates, and are replayed. 1 candidates have no bid, so no value"
    )
    (table,) = found.blocks
    names = [column.name for column in table.columns]
    assert names == ["kept", "requests cut", "share of", "mtmd", "champion", "difference", "at random"]
    texts = table.texts()
    assert [row[:3] for row in texts] == [
        ["2", "1", "the top 2"], ["2", "1", "value of the top 2"],
        ["3", "1", "the top 2"], ["3", "1", "value of the top 2"],
    ]  # fmt: skip
    assert [row[3].split()[0] for row in texts[:2]] == ["50.00%", "87.50%"]
    assert [row[4].split()[0] for row in texts[:2]] == ["100.00%"] * 2
    assert [row[5].split()[0] for row in texts[:2]] == ["−50.00%", "−12.50%"]


def test_the_days_requests_are_replayed_beside_the_report(done: Done) -> None:
    replay = ReplayReport.model_validate(read_json(Path(done.evaluated.path) / REPLAY))
    assert replay.reference == "per_slice"  # there is no champion
    assert replay.requests + replay.alone == done.days.held_out.requests
    assert replay.without_bid == 0
    for own in (one for one in replay.shares if one.predictor == "mtmd"):
        floor = replay.share("random", own.top, own.kept)
        assert floor.recall.value < own.recall.value <= 1.0


def test_bids_of_another_delivery_are_refused(done: Done, tmp_path: Path) -> None:
    logs = shutil.copytree(done.plan.logs, tmp_path / "logs")
    (table,) = (logs / "ads" / f"date={done.plan.as_of}").glob("*.parquet")
    pq.write_table(pq.read_table(table), table, compression="zstd")
    plan = done.plan.model_copy(update={"logs": str(logs)})
    trained = (done.trained[0].model_copy(update={"key": "f" * 64}), *done.trained[1:])
    with pytest.raises(LogsError, match="changed after the day was extracted"):
        evaluate_stage.evaluate(plan, trained, done.days, done.exported.model_id)
