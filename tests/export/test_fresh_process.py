import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtmd.errors import BundleError, LogsError
from mtmd.export.fresh_process import (
    RawRows,
    answered_scores,
    check_answers,
    check_fresh_process,
    sample_raw_rows,
)
from mtmd.export.parity import Proof
from mtmd.logs.source import LogSource
from mtmd.publish.answer import Asked, answer
from mtmd.serve.http.answers import RankedAds
from tests.validate.conftest import damaged


@pytest.fixture(scope="module")
def rows(exported: Any) -> RawRows:
    return sample_raw_rows(
        LogSource(exported.logs), exported.shard, exported.preset.declarations, per_domain=6
    )


def check(exported: Any, rows: RawRows) -> Proof:
    return check_fresh_process(exported.directory, exported.shard, rows, exported.preset)


def test_raw_rows_are_the_logs_values_of_every_domain(exported: Any, rows: RawRows) -> None:
    assert {row["surface"] for row in rows.requests} == {"home_feed", "search"}
    assert {row["product"] for row in rows.ads} == {"standard", "shopping"}
    assert len(rows.requests) == len(rows.ads) == 12
    columns = {"request_id", "surface", *exported.preset.declarations.query.columns}
    assert set(rows.requests[0]) == columns
    assert RawRows.model_validate_json(rows.model_dump_json()) == rows
    assert any(row["activity"] is None for row in rows.requests)


def test_rows_that_the_service_refuses_are_left_out(exported: Any, rows: RawRows, tmp_path: Path) -> None:
    first, second, *others = (row["request_id"] for row in rows.requests)
    shutil.copytree(exported.logs, logs := tmp_path / "logs")
    (file,) = logs.glob("requests/*/*.parquet")
    too_long = "country = repeat('x', 1025)", "words = ['a', repeat('x', 1025)]"
    ids = (first, second)
    damaged(
        file, *(f"update t set {what} where request_id = {i}" for what, i in zip(too_long, ids, strict=True))
    )
    found = sample_raw_rows(LogSource(logs), exported.shard, exported.preset.declarations, per_domain=6)
    assert [row["request_id"] for row in found.requests] == others


def test_the_bundle_alone_answers_raw_rows_as_the_model_does(exported: Any, rows: RawRows) -> None:
    report = check(exported, rows)
    assert report.passed, report.detail
    assert "answered 12 requests × 12 ads" in report.detail
    assert float(report.detail.rpartition(" ")[2]) <= 2e-6


def test_a_value_that_the_shard_has_otherwise_is_noticed(exported: Any, rows: RawRows) -> None:
    first, *others = rows.requests
    report = check(exported, rows.model_copy(update={"requests": (first | {"activity": 1e9}, *others)}))
    assert not report.passed
    assert "scores differ from those of the shard's rows by" in report.detail


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


@pytest.fixture
def few() -> RawRows:
    ads = [{"ad_id": n, "product": name, "bid": 1.0} for n, name in ((1, "standard"), (2, "shopping"))]
    return RawRows(requests=({"request_id": 5, "surface": "search"},), ads=tuple(ads))


def test_scores_that_are_no_probabilities_are_noticed(exported: Any, few: RawRows) -> None:
    info = exported.info
    bodies = tuple({"requests": few.requests, "rank_by": task} for task in info.widths)
    answers = answer(exported.directory, Asked(ads=few.ads, bodies=bodies))
    assert np.isnan(answered_scores(answers, few, info)).tolist() == [[[False, False], [False, True]]]
    (only,) = answers[0].requests

    def scored(ad_id: int, **probability: float | None) -> tuple[RankedAds]:
        ads = [
            ad.model_copy(update={"probability": ad.probability | probability}) if ad.ad_id == ad_id else ad
            for ad in only.ads
        ]
        return (only.model_copy(update={"ads": tuple(ads)}),)

    for changed, words in (
        ({"ctr": None}, "search × shopping × ctr has score nan; it must be a probability"),
        ({"ctr": 1.5}, "search × shopping × ctr has score 1.5; it must be a probability"),
        ({"octr": 0.1}, "search × shopping × octr has score 0.1; it must be none"),
    ):
        wrong = answers[0].model_copy(update={"requests": scored(2, **changed)})
        with pytest.raises(BundleError, match=words):
            answered_scores([wrong, *answers[1:]], few, info)
