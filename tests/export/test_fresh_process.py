import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from mtmd.errors import LogsError
from mtmd.export.fresh_process import FreshProcessReport, check_fresh_process
from mtmd.export.rows import RawRows, sample_raw_rows
from mtmd.logs.source import LogSource
from mtmd.model.build import build_model
from mtmd.model.two_tower import MTMD


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


def test_raw_rows_are_the_logs_values_of_every_domain(rows: RawRows) -> None:
    assert {row["surface"] for row in rows.requests} == {"home_feed", "search"}
    assert {row["product"] for row in rows.ads} == {"standard", "shopping"}
    assert len(rows.requests) == len(rows.ads) == 12
    assert set(rows.requests[0]) == {
        "request_id",
        "surface",
        "user_id",
        "country",
        "activity",
        "pace",
        "vector",
        "words",
        "word_weights",
        "word_actions",
        "recent_topics",
        "topic_ages",
    }
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


def test_what_the_process_complained_of_is_quoted(exported: Any, rows: RawRows, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(exported.directory, bundle)
    (bundle / "item_standard.onnx").write_bytes(b"not a model")
    report = check(exported, rows, bundle=bundle)
    assert not report.passed
    assert report.score_delta is None
    assert "ended with status 1: error: item_standard.onnx cannot be loaded" in report.detail


def test_a_process_that_takes_too_long_is_stopped(exported: Any, rows: RawRows) -> None:
    report = check(exported, rows, timeout_s=0.01)
    assert not report.passed
    assert report.detail == "the fresh process gave no answer within 0.01 s"


def test_rows_of_another_day_are_refused(exported: Any, rows: RawRows) -> None:
    strange = rows.model_copy(update={"requests": ({"request_id": 10**9, "surface": "search"},)})
    with pytest.raises(LogsError, match=r"request_id \[1000000000\] are not in the shard of 2026-03-01"):
        check(exported, strange)
