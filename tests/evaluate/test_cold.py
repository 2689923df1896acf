"""Rows of values that the window never had, against sets of values; and their errors by hand."""

from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig, Preset
from mtmd.evaluate.cold import cold_rows
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay

CONFIG = EvaluationConfig()


def values(shard, declarations: Declarations, name: str) -> list[int]:
    """The hashed value of each candidate, one at a time."""
    side, encoded, rows = (
        (declarations.item, shard.item, shard.ad_row)
        if name == "ad_id"
        else (declarations.query, shard.query, shard.request_row)
    )
    column = [feature.name for feature in side.categorical].index(name)
    return [int(encoded.categorical[row, column]) for row in rows.tolist()]


@pytest.mark.parametrize(
    ("config", "names"),
    [(CONFIG, ["user_id", "ad_id"]), (EvaluationConfig(cold_features=("country",)), ["country"])],
)
def test_a_row_is_cold_whose_value_no_candidate_of_the_window_has(
    declarations: Declarations, make_shard, config: EvaluationConfig, names: list[str]
) -> None:
    window = [make_shard(requests=9, seed=1, day=1), make_shard(requests=9, seed=2, day=2)]
    day = make_shard(requests=40, seed=3, day=3)
    found = cold_rows(day, iter(window), declarations, config)
    assert list(found) == names
    for name in names:
        known = {value for shard in window for value in values(shard, declarations, name)} | {0}
        expected = [value not in known for value in values(day, declarations, name)]
        assert found[name].tolist() == expected
        assert any(expected)


def test_errors_of_cold_rows_and_of_the_others_are_means_over_a_tasks_slices(
    declarations: Declarations,
) -> None:
    """Four rows in two slices of ctr, off by 1, 2, 3 and 4; gctr is scored in two rows, octr in none."""
    teacher = np.full((4, 3), np.nan, np.float32)
    teacher[:, 0], teacher[:2, 1] = 0.2, 0.1
    day = HeldOutDay(
        teacher=teacher,
        labels=np.full((4, 3), -1, np.int8),
        impressed=np.zeros(4, np.bool_),
        domain=np.array([0, 0, 2, 2]),
        request=np.arange(4),
    )
    log_p = np.log(np.nan_to_num(teacher, nan=0.5)) - np.array([[1.0], [2.0], [3.0], [4.0]])
    cold = {"ad_id": np.array([True, False, False, True]), "user_id": np.zeros(4, np.bool_)}
    report = evaluate_predictors(date(2026, 1, 5), declarations, day, {"mtmd": log_p}, CONFIG, cold=cold)
    found = {(own.feature, own.task): own for own in report.cold}
    assert list(found) == [(name, task) for name in cold for task in ("ctr", "gctr", "octr")]
    ctr = found["ad_id", "ctr"]
    assert (ctr.rows, ctr.others) == (2, 2)
    assert (ctr.logmae["mtmd"], ctr.logmae_of_others["mtmd"]) == pytest.approx((2.5, 2.5))
    gctr = found["ad_id", "gctr"]
    assert (gctr.rows, gctr.others) == (1, 1)
    assert (gctr.logmae["mtmd"], gctr.logmae_of_others["mtmd"]) == pytest.approx((1.0, 2.0))
    octr = found["ad_id", "octr"]
    assert (octr.rows, octr.others, octr.logmae, octr.logmae_of_others) == (
        0,
        0,
        {"mtmd": None},
        {"mtmd": None},
    )
    nobody = found["user_id", "ctr"]
    assert (nobody.rows, nobody.others, nobody.logmae["mtmd"]) == (0, 4, None)
    assert type(report).model_validate_json(report.model_dump_json()) == report


def test_intervals_of_cold_rows_draw_whole_requests(declarations: Declarations) -> None:
    """30 requests of two cold rows, with errors that only requests differ by, against a plain bootstrap of requests."""
    rng = np.random.default_rng(0)
    own, rival = (np.repeat(rng.uniform(low, low + 0.5, 30), 2) for low in (0.1, 0.3))
    request = np.repeat(np.arange(40), 2)
    teacher = np.full((80, 3), np.nan, np.float32)
    teacher[:, 0] = 0.2
    day = HeldOutDay(
        teacher=teacher,
        labels=np.full((80, 3), -1, np.int8),
        impressed=np.zeros(80, np.bool_),
        domain=np.repeat([0, 2], 40),
        request=request,
    )

    def off(errors: np.ndarray) -> np.ndarray:
        return np.log(np.nan_to_num(teacher, nan=0.5)) - np.concatenate([errors, np.full(20, 9.0)])[:, None]

    config = EvaluationConfig(resamples=4000)
    cold = {"ad_id": np.arange(80) < 60, "user_id": np.arange(80) < 2}
    predictions = {"mtmd": off(own), "pooled": off(rival)}
    report = evaluate_predictors(date(2026, 1, 5), declarations, day, predictions, config, cold=cold)
    (pair,) = next(found.comparisons for found in report.cold if found.task == "ctr")
    assert (pair.reference, pair.bucket, pair.requests) == ("pooled", None, pytest.approx(30))
    assert pair.improvement == pytest.approx(1 - own.sum() / rival.sum(), abs=1e-5)
    counts = rng.poisson(1.0, (20_000, 30)) @ np.stack([own[::2], rival[::2]], axis=1)
    low, high = np.quantile(1 - counts[:, 0] / counts[:, 1], [0.025, 0.975])
    assert pair.low is not None
    assert pair.high is not None
    assert (pair.low, pair.high) == pytest.approx((low, high), abs=0.02)
    (alone,) = next(
        found.comparisons for found in report.cold if (found.feature, found.task) == ("user_id", "ctr")
    )
    # most resamples have another number of them
    assert (alone.requests, alone.low) == (pytest.approx(1), None)
    assert next(found for found in report.cold if found.task == "octr").comparisons == ()


def test_features_that_are_no_single_category_are_refused(tiny_preset: Preset) -> None:
    content = tiny_preset.model_dump() | {"evaluation": {"cold_features": ["ad_id", "bid"]}}
    with pytest.raises(
        ValueError, match=r"cold_features names \['bid'\]; it may name categorical features of one"
    ):
        Preset.model_validate(content)


def test_a_name_that_both_sides_have_is_cold_where_either_value_is(
    declarations: Declarations, make_shard
) -> None:
    """The ad's column is called as the request's is: `country` of a user, and of an ad."""
    dumped = declarations.model_dump(mode="json")
    for feature in dumped["features"]:
        feature["name"] = "country" if feature["name"] == "category" else feature["name"]
    both = Declarations.model_validate(dumped)
    window, day = [make_shard(requests=9, seed=1, day=1)], make_shard(requests=40, seed=3, day=3)
    asked = EvaluationConfig(cold_features=("country", "category"))
    apart = cold_rows(day, window, declarations, asked)
    together = cold_rows(day, window, both, EvaluationConfig(cold_features=("country",)))
    assert together["country"].tolist() == (apart["country"] | apart["category"]).tolist()
    assert any(together["country"] != apart["category"])
