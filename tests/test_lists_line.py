"""Lists by a preset alone: true histories of the platform, through every stage, to a scorer that reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from mtmd.abtest import stage as abtest_stage
from mtmd.config import load_preset
from mtmd.export.rows import sample_raw_rows
from mtmd.extract.shards import open_shard
from mtmd.monitor.stage import monitor
from mtmd.project.check import check_project
from mtmd.promote.stage import RunSummary
from mtmd.publish import stage as publish_stage
from mtmd.publish.answer import Asked, answer
from mtmd.sources.simulated.platform import simulate
from tests.daily import Done, run_stages
from tests.mtmd_flows.runs import AS_OF
from tests.tiny_lists import HISTORIES, write_preset
from tests.worlds import tiny_world


@dataclass(frozen=True)
class Line:
    preset: str
    logs: Path
    done: Done
    summary: RunSummary


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    root = tmp_path_factory.mktemp("lists")
    preset, logs = str(write_preset(root)), root / "logs"
    world = tiny_world().model_copy(update={"histories": HISTORIES})
    simulate(world, AS_OF - timedelta(days=8), AS_OF + timedelta(days=1), logs)
    done = run_stages(logs, root / "artifacts", preset=preset)
    return Line(preset, logs, done, done.decide())


def rows(logs: Path, table: str, day: date) -> Iterator[dict[str, Any]]:
    for path in sorted((logs / table / f"date={day}").glob("*.parquet")):
        yield from pq.ParquetFile(path).read().to_pylist()


def test_the_model_with_lists_is_proved_and_promoted(line: Line) -> None:
    assert line.done.proofs.parity.passed, line.done.proofs.parity.worst
    assert line.done.proofs.fresh_process.passed, line.done.proofs.fresh_process.detail
    assert line.summary.words == "promoted"


def test_only_the_histories_are_new_in_the_logs(line: Line, tiny_logs: Path) -> None:
    for table in ("requests", "ads", "candidates"):
        with_lists = list(rows(line.logs, table, AS_OF))
        for row in with_lists:
            for name in HISTORIES:
                row.pop(name, None)
        assert with_lists == list(rows(tiny_logs, table, AS_OF))


def test_requests_have_what_their_users_clicked_before_newest_first(line: Line) -> None:
    """Worked out from the logs of the days before, and of the hours before on the day itself."""
    clicks: dict[int, list[tuple[Any, int]]] = {}
    for day in (AS_OF - timedelta(days=back) for back in range(7, -1, -1)):
        requests = {row["request_id"]: row for row in rows(line.logs, "requests", day)}
        for row in rows(line.logs, "candidates", day):
            if row["clicked"]:
                request = requests[row["request_id"]]
                hour = request["ts"].replace(minute=0, second=0, microsecond=0)
                clicks.setdefault(request["user_id"], []).append((hour, row["ad_id"]))
    seen = 0
    for request in rows(line.logs, "requests", AS_OF):
        hour = request["ts"].replace(minute=0, second=0, microsecond=0)
        earlier = [(when, ad) for when, ad in clicks.get(request["user_id"], []) if when < hour]
        hours = sorted(((hour - when).total_seconds() / 3600 for when, _ in earlier))
        assert request["recent_ad_hours"] == hours[: len(request["recent_ads"])]
        found = request["recent_ads"]
        assert len(found) == min(len(earlier), 20)
        assert sorted(found) == sorted(ad for _, ad in sorted(earlier, reverse=True)[: len(found)])
        seen += len(found)
    assert seen > 20


def test_the_shard_has_as_many_values_as_are_read(line: Line) -> None:
    shard = open_shard(Path(line.done.days.held_out.path))
    requests = {row["request_id"]: row for row in rows(line.logs, "requests", AS_OF)}
    topics, ads = shard.query.lists
    for place, request_id in enumerate(shard.request_id.tolist()):
        assert topics.length[place] == min(len(requests[request_id]["recent_topics"]), 10)
        assert ads.length[place] == min(len(requests[request_id]["recent_ads"]), 5)


def test_every_rival_shares_the_tables_of_topics_and_ads(line: Line) -> None:
    assert {trained.kind for trained in line.done.trained} == {"mtmd", "per_slice", "pooled"}
    declarations = load_preset(line.preset).declarations
    assert declarations.query.shared == declarations.item.shared == {"topic", "ad_id"}


def test_the_bundle_answers_raw_lists_of_any_length(line: Line) -> None:
    plan = line.done.plan
    shard = open_shard(Path(line.done.days.held_out.path))
    sampled = sample_raw_rows(plan.source, shard, plan.preset.declarations, per_domain=2)
    ads = [ad["ad_id"] for ad in sampled.ads]

    def clicked(history: list[int]) -> dict[str, Any]:
        actions, hours = ["click"] * len(history), [float(place) for place in range(len(history))]
        return {"recent_ads": history, "recent_ad_actions": actions, "recent_ad_hours": hours}

    nothing = dict.fromkeys(clicked([]))
    requests = tuple(
        sampled.requests[0] | {"request_id": number} | history
        for number, history in enumerate(
            [nothing, clicked([]), clicked(ads[:1]), clicked(ads * 9), clicked((ads * 9)[:5])]
        )
    )
    asked = Asked(ads=sampled.ads, bodies=({"requests": requests, "top_k": 50},))
    (ranked,) = answer(Path(line.done.exported.path), asked).answers
    scores = [np.array([ad.score for ad in one.ads]) for one in ranked.requests]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    np.testing.assert_allclose(scores[3], scores[4], atol=1e-6)
    assert np.abs(scores[0] - scores[2]).max() > 1e-5


def test_the_bundle_answers_encoded_numbers_of_any_size(line: Line) -> None:
    """What lies outside of the window's values is read as the nearest edge."""
    plan = line.done.plan
    shard = open_shard(Path(line.done.days.held_out.path))
    sampled = sample_raw_rows(plan.source, shard, plan.preset.declarations, per_domain=2)
    activities = [None, -1e9, -1e6, 1.0, 1e6, 1e9]
    requests = tuple(
        sampled.requests[0] | {"request_id": number, "user_activity": activity}
        for number, activity in enumerate(activities)
    )
    asked = Asked(ads=sampled.ads, bodies=({"requests": requests, "top_k": 50},))
    (ranked,) = answer(Path(line.done.exported.path), asked).answers
    scores = [{ad.ad_id: ad.score for ad in one.ads} for one in ranked.requests]
    missing, least, less, some, more, most = (
        np.array([one[ad["ad_id"]] for ad in sampled.ads]) for one in scores
    )
    np.testing.assert_allclose(least, less, atol=1e-6)
    np.testing.assert_allclose(most, more, atol=1e-6)
    for other in (missing, least, most):
        assert np.abs(other - some).max() > 1e-5


def test_the_ab_test_shows_rankers_the_histories_too(line: Line) -> None:
    done = line.done
    tested = abtest_stage.ab_test(done.plan, done.trained[:2], samples=5, requests=20)
    assert tested.of("per_slice", "mtmd")


def test_the_next_day_is_monitored_and_its_ads_are_published(line: Line) -> None:
    artifacts = str(line.done.plan.workspace.root.parent)
    day = AS_OF + timedelta(days=1)
    report = monitor(day, line.preset, logs=str(line.logs), artifacts=artifacts)
    places = {finding.where for finding in report.findings}
    assert "recent_topics × search" in places
    assert "recent_topics.length × search" in places
    plan = line.done.plan
    published = publish_stage.publish(plan.workspace, plan.source, day)
    assert published.model_id == line.done.exported.model_id
    assert published.ads > 100


def test_a_check_knows_the_lists(line: Line) -> None:
    checked = check_project(line.preset, logs=str(line.logs), as_of=AS_OF)
    said = {finding.place: finding.text for finding in checked.findings if "lists of" in finding.text}
    assert said.keys() == {"requests.recent_topics", "requests.recent_ads"}
    assert checked.passed
