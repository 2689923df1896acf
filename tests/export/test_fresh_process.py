import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mtmd.config import Domains
from mtmd.errors import BundleError, LogsError
from mtmd.export.fresh_process import (
    FreshProcessReport,
    answered_scores,
    check_answers,
    check_fresh_process,
    require_probabilities,
)
from mtmd.export.rows import RawRows, sample_raw_rows
from mtmd.logs.source import LogSource
from mtmd.model.build import build_model
from mtmd.model.two_tower import MTMD
from mtmd.publish.answer import Asked, answer


@pytest.fixture(scope="module")
def rows(exported: Any) -> RawRows:
    return sample_raw_rows(
        LogSource(exported.logs), exported.shard, exported.preset.declarations, per_domain=6
    )


def check(
    exported: Any, rows: RawRows, *, model: MTMD | None = None, bundle: Path | None = None, **options: Any
) -> FreshProcessReport:
    return check_fresh_process(
        model or exported.model,
        bundle or exported.directory,
        exported.shard,
        rows,
        exported.preset,
        **options,
    )


def test_raw_rows_are_the_logs_values_of_every_domain(exported: Any, rows: RawRows) -> None:
    assert {row["surface"] for row in rows.requests} == {"home_feed", "search"}
    assert {row["product"] for row in rows.ads} == {"standard", "shopping"}
    assert len(rows.requests) == len(rows.ads) == 12
    columns = {"request_id", "surface", *exported.preset.declarations.query.columns}
    assert set(rows.requests[0]) == columns
    assert RawRows.model_validate_json(rows.model_dump_json()) == rows
    assert any(row["activity"] is None for row in rows.requests)


def test_the_bundle_alone_answers_raw_rows_as_the_model_does(exported: Any, rows: RawRows) -> None:
    report = check(exported, rows)
    assert report.passed, report.detail
    assert report.score_delta is not None
    assert report.score_delta <= 2e-6
    assert (report.requests, report.ads) == (12, 12)
    assert "answered 12 requests × 12 ads" in report.detail


def test_another_model_is_noticed(exported: Any, rows: RawRows) -> None:
    other = build_model("mtmd", exported.preset).eval()
    assert isinstance(other, MTMD)
    other.load_state_dict(exported.model.state_dict())
    with torch.no_grad():
        other.query.bias.add_(0.01)
    report = check(exported, rows, model=other)
    assert not report.passed
    assert "scores differ from torch's by" in report.detail


def test_rows_of_another_day_are_refused(exported: Any, rows: RawRows) -> None:
    strange = rows.model_copy(update={"requests": ({"request_id": 10**9, "surface": "search"},)})
    with pytest.raises(LogsError, match=r"request_id \[1000000000\] are not in the shard of 2026-03-01"):
        check(exported, strange)


def test_a_sound_bundle_answers_for_every_domain(exported: Any) -> None:
    assert check_answers(exported.directory) == "a fresh process answered for 2 surfaces × 2 products"


def test_a_bundle_with_a_broken_file_is_named(exported: Any, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(exported.directory, bundle)
    (bundle / "item_standard.onnx").write_bytes(b"not a model")
    with pytest.raises(BundleError, match=rf"{bundle} does not answer, so it can't go live: .*status 1"):
        check_answers(bundle)


def test_a_slow_bundle_is_given_up(exported: Any) -> None:
    with pytest.raises(BundleError, match=r"no answer within 0\.01 s"):
        check_answers(exported.directory, timeout_s=0.01)


def test_an_answer_must_have_a_probability_where_the_task_applies_and_none_elsewhere(exported: Any) -> None:
    domains: Domains = exported.preset.domains
    sound = np.array([[[0.2, 0.1], [0.3, np.nan]], [[0.4, 0.2], [0.5, np.nan]]])  # octr is for standard ads
    require_probabilities(sound, domains)
    for place, score, words in (
        ((1, 0, 0), np.nan, "search × standard × ctr has score nan; it must be a probability"),
        ((0, 1, 0), 1.5, "home_feed × shopping × ctr has score 1.5; it must be a probability"),
        ((1, 1, 1), 0.1, "search × shopping × octr has score 0.1; it must be none"),
    ):
        altered = sound.copy()
        altered[place] = score
        with pytest.raises(BundleError, match=words):
            require_probabilities(altered, domains)


def test_answers_that_do_not_fit_the_requests_are_noticed(exported: Any) -> None:
    info = exported.info
    rows = RawRows(
        requests=({"request_id": 5, "surface": "search"},),
        ads=(
            {"ad_id": 1, "product": "standard", "bid": 1.0},
            {"ad_id": 2, "product": "shopping", "bid": 1.0},
        ),
    )
    bodies = tuple({"requests": rows.requests, "rank_by": task} for task in info.widths)
    answers = answer(exported.directory, Asked(ads=rows.ads, bodies=bodies)).answers
    scores = answered_scores(answers, rows, info)
    assert np.isnan(scores).tolist() == [[[False, False], [False, True]]]

    def problem_of(**changed: Any) -> str:
        with pytest.raises(BundleError) as error:
            answered_scores([answers[0].model_copy(update=changed), *answers[1:]], rows, info)
        return str(error.value)

    assert problem_of(bundle_id="other") == f"the answer is of bundle other, not {info.bundle_id}"
    (only,) = answers[0].requests
    assert (
        problem_of(requests=(only.model_copy(update={"request_id": 6}),)) == "answer 0 is to request 6, not 5"
    )
    turned = only.model_copy(update={"ads": only.ads[::-1]})
    assert problem_of(requests=(turned,)).startswith("the ads of request 5 are not ranked by ctr")
