"""Lists and five tasks by a preset alone, through every stage, to a scorer that reads them."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from mtmd.export.fresh_process import RawRows
from mtmd.monitor.stage import monitor
from mtmd.publish import stage as publish_stage
from tests.flows.runs import AS_OF
from tests.rich_line import RichLine


def scored(rich_line: RichLine, rows: RawRows, feature: str, values: Sequence[object]) -> list[np.ndarray]:
    """Scores of all ads, in their order, for a request with each of the values."""
    requests = [
        rows.requests[0] | {"request_id": number, feature: value} for number, value in enumerate(values)
    ]
    (ranked,) = rich_line.answers(rows, {"requests": requests, "top_k": 50})
    found = [{ad.ad_id: ad.score for ad in one.ads} for one in ranked.requests]
    return [np.array([one[ad["ad_id"]] for ad in rows.ads]) for one in found]


def test_the_model_is_proved_and_promoted(rich_line: RichLine) -> None:
    assert rich_line.summary.words == "promoted"
    assert rich_line.run.proofs.parity.passed
    assert rich_line.run.proofs.fresh_process.passed


def test_the_bundle_answers_raw_lists_of_any_length(rich_line: RichLine) -> None:
    rows = rich_line.rows()
    ads = [ad["ad_id"] for ad in rows.ads]
    scores = scored(rich_line, rows, "recent_ads", [None, [], ads[:1], ads * 9, (ads * 9)[:5]])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    np.testing.assert_allclose(scores[3], scores[4], atol=1e-6)
    assert np.abs(scores[0] - scores[2]).max() > 1e-5


def test_the_bundle_answers_encoded_numbers_of_any_size(rich_line: RichLine) -> None:
    """What lies outside of the window's values is read as the nearest edge."""
    activities = [None, -1e9, -1e6, 1.0, 1e6, 1e9]
    missing, least, less, some, more, most = scored(rich_line, rich_line.rows(), "user_activity", activities)
    np.testing.assert_allclose(least, less, atol=1e-6)
    np.testing.assert_allclose(most, more, atol=1e-6)
    for other in (missing, least, most):
        assert np.abs(other - some).max() > 1e-5


def test_the_next_day_is_monitored_and_its_ads_are_published(rich_line: RichLine) -> None:
    artifacts = str(rich_line.run.plan.workspace.root.parent)
    day = AS_OF + timedelta(days=1)
    report = monitor(day, rich_line.preset, logs=str(rich_line.logs), artifacts=artifacts)
    places = {finding.where for finding in report.findings}
    assert "recent_topics × search" in places
    assert "recent_topics.length × search" in places
    plan = rich_line.run.plan
    published = publish_stage.publish(plan.workspace, plan.source, day)
    assert published.model_id == rich_line.run.exported.model_id
    assert published.ads > 100
