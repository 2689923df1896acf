"""Lists by a preset alone, through every stage, to a scorer that reads them."""

from datetime import timedelta
from pathlib import Path

import numpy as np

from mtmd.export.fresh_process import sample_raw_rows
from mtmd.extract.shards import open_shard
from mtmd.monitor.stage import monitor
from mtmd.publish import stage as publish_stage
from mtmd.publish.answer import Asked, answer
from tests.flows.runs import AS_OF
from tests.rich_line import RichLine


def test_the_model_with_lists_is_proved_and_promoted(rich_line: RichLine) -> None:
    assert rich_line.done.proofs.parity.passed, rich_line.done.proofs.parity.detail
    assert rich_line.done.proofs.fresh_process.passed, rich_line.done.proofs.fresh_process.detail
    assert rich_line.summary.words == "promoted"


def test_the_bundle_answers_raw_lists_of_any_length(rich_line: RichLine) -> None:
    plan = rich_line.done.plan
    shard = open_shard(Path(rich_line.done.days.held_out.path))
    sampled = sample_raw_rows(plan.source, shard, plan.preset.declarations, per_domain=2)
    ads = [ad["ad_id"] for ad in sampled.ads]

    requests = tuple(
        sampled.requests[0] | {"request_id": number, "recent_ads": history}
        for number, history in enumerate([None, [], ads[:1], ads * 9, (ads * 9)[:5]])
    )
    asked = Asked(ads=sampled.ads, bodies=({"requests": requests, "top_k": 50},))
    (ranked,) = answer(Path(rich_line.done.exported.path), asked)
    scores = [np.array([ad.score for ad in one.ads]) for one in ranked.requests]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    np.testing.assert_allclose(scores[3], scores[4], atol=1e-6)
    assert np.abs(scores[0] - scores[2]).max() > 1e-5


def test_the_bundle_answers_encoded_numbers_of_any_size(rich_line: RichLine) -> None:
    """What lies outside of the window's values is read as the nearest edge."""
    plan = rich_line.done.plan
    shard = open_shard(Path(rich_line.done.days.held_out.path))
    sampled = sample_raw_rows(plan.source, shard, plan.preset.declarations, per_domain=2)
    activities = [None, -1e9, -1e6, 1.0, 1e6, 1e9]
    requests = tuple(
        sampled.requests[0] | {"request_id": number, "user_activity": activity}
        for number, activity in enumerate(activities)
    )
    asked = Asked(ads=sampled.ads, bodies=({"requests": requests, "top_k": 50},))
    (ranked,) = answer(Path(rich_line.done.exported.path), asked)
    scores = [{ad.ad_id: ad.score for ad in one.ads} for one in ranked.requests]
    missing, least, less, some, more, most = (
        np.array([one[ad["ad_id"]] for ad in sampled.ads]) for one in scores
    )
    np.testing.assert_allclose(least, less, atol=1e-6)
    np.testing.assert_allclose(most, more, atol=1e-6)
    for other in (missing, least, most):
        assert np.abs(other - some).max() > 1e-5


def test_the_next_day_is_monitored_and_its_ads_are_published(rich_line: RichLine) -> None:
    artifacts = str(rich_line.done.plan.workspace.root.parent)
    day = AS_OF + timedelta(days=1)
    report = monitor(day, rich_line.preset, logs=str(rich_line.logs), artifacts=artifacts)
    places = {finding.where for finding in report.findings}
    assert "recent_topics × search" in places
    assert "recent_topics.length × search" in places
    plan = rich_line.done.plan
    published = publish_stage.publish(plan.workspace, plan.source, day)
    assert published.model_id == rich_line.done.exported.model_id
    assert published.ads > 100
