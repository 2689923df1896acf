"""A candidate answers in the shadow: compared and logged, while the live answer stays what it was."""

import json
import multiprocessing
import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mtmd.errors import BundleError, RegistryError
from mtmd.inspect.shadow import ShadowReport, summed_up
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.http.candidate import ShadowSettings, named_candidate, newest_candidate, outcome
from mtmd.serve.http.live import Live
from mtmd.serve.http.shadow import Shadow
from mtmd.store.rotated import RotatedLines
from tests.serve.http.conftest import SETTINGS, Client, Line, serving, until

JSON = {"content-type": "application/json"}
REQUESTS = [
    {"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.25},
    {"request_id": 2, "surface": "home_feed", "activity": -1.0, "depth": 1.0},
]
QUESTION = json.dumps({"requests": REQUESTS, "top_k": 2, "rank_by": "octr"}).encode()


@pytest.fixture
def two(line: Line) -> Line:
    """Champion model-0, and candidate model-1, whose octr logits are 2.25 times the champion's."""
    line.promote(0)
    line.candidate(1, octr_scale=3.0)
    return line


def count(client: Client, outcome: str) -> float:
    text = client.send("GET", "/metrics")[2].decode()
    found = re.search(rf'mtmd_shadow_total{{outcome="{outcome}"}} (\S+)', text)
    return float(found[1]) if found else 0.0


def settings(line: Line, **changes: Any) -> ShadowSettings:
    return ShadowSettings(file=line.root / "shadow" / "log.jsonl", **changes)


def test_the_live_answer_stays_and_the_log_has_both(two: Line) -> None:
    with serving(two.root, SETTINGS) as client:
        alone = client.send("POST", "/rank", QUESTION, JSON)[2]
        assert client.send("POST", "/rank?model=candidate", QUESTION, JSON)[2] == alone
        assert count(client, "off") == 1
        status, _, content = client.send("POST", "/rank?model=model-1", QUESTION, JSON)
        assert (status, b"must be champion, or candidate" in content) == (422, True)
    with serving(two.root, SETTINGS, shadow=settings(two)) as client:
        client.send("POST", "/rank", QUESTION, JSON)  # nobody asks for the candidate
        assert client.send("POST", "/rank?model=candidate", QUESTION, JSON)[2] == alone
        until(lambda: count(client, "compared") == 1)
        assert client.send("POST", "/rank?model=candidate", b"{}", JSON)[0] == 422  # nothing to compare
        (process,) = (own for own in multiprocessing.active_children() if own.name == "candidate")
        process.kill()
        assert client.send("POST", "/rank?model=candidate", QUESTION, JSON)[2] == alone
        until(lambda: count(client, "lost") >= 1)
        assert client.send("POST", "/rank?model=candidate", QUESTION, JSON)[2] == alone
        until(lambda: count(client, "compared") == 2)
    text = (two.root / "shadow" / "log.jsonl").read_text()
    assert "ad_id" not in text
    assert "activity" not in text
    _sums_are_right(summed_up(two.root / "shadow"), json.loads(alone))


def _sums_are_right(report: ShadowReport, live: dict[str, Any]) -> None:
    """By hand: with logit x = activity · bid + depth · age, P(octr) = σ(x) σ(4x) live and σ(x) σ(9x) in the shadow."""
    (pair,) = report.pairs
    assert (pair.live, pair.candidate, pair.requests, pair.ads) == ("model-0", "model-1", 4, 8)
    assert (report.failed, report.unreadable, pair.missing, pair.days_differ) == (0, 0, 0, 4)
    assert (pair.same_first, pair.shared) == (4, 8)  # the order of two ads is that of x in both models
    for place, surface in ((0, "search"), (1, "home_feed")):
        own = {one.task: one.scores for one in pair.tasks if one.surface == surface}
        ctr = [ad["probability"]["ctr"] for ad in live["requests"][place]["ads"]]
        octr = [ad["probability"]["octr"] for ad in live["requests"][place]["ads"]]
        shadowed = [p / (1 + ((1 - p) / p) ** 9) for p in ctr]
        assert own["ctr"].live == own["ctr"].candidate == pytest.approx(sum(ctr) / 2)
        assert own["octr"].live == pytest.approx(sum(octr) / 2)
        assert own["octr"].candidate == pytest.approx(sum(shadowed) / 2, rel=1e-5)
        differences = [abs(a - b) for a, b in zip(octr, shadowed, strict=True)]
        assert own["octr"].absolute == pytest.approx(sum(differences) / 2, rel=1e-4)
        assert own["octr"].largest == pytest.approx(max(differences), rel=1e-4)
        assert (own["octr"].ads, own["octr"].largest > 0.001) == (4, True)


def test_a_candidate_that_a_newer_champion_displaces_is_compared_no_more(two: Line) -> None:
    def asked(client: Client, name: str) -> bool:
        client.send("POST", "/rank", QUESTION, JSON)
        return count(client, name) > 0

    with serving(two.root, SETTINGS, shadow=settings(two, share=1.0)) as client:
        until(lambda: asked(client, "compared"))
        two.promote(2)
        until(lambda: client.get("/ready")[1]["model_id"] == "model-2")
        before = count(client, "no_candidate")
        until(lambda: asked(client, "no_candidate") and count(client, "no_candidate") > before)


def test_a_damaged_candidate_is_never_loaded_and_nobody_waits_for_it(two: Line) -> None:
    tower = two.registry.path("model-1") / "query_search.onnx"
    tower.write_bytes(tower.read_bytes()[:-1] + b"x")
    with serving(two.root, SETTINGS, shadow=settings(two, share=1.0, queue=1)) as client:
        for _ in range(30):
            assert client.send("POST", "/rank", QUESTION, JSON)[0] == 200
        until(lambda: count(client, "no_candidate") + count(client, "dropped") == 30)
        assert count(client, "no_candidate") >= 1
    assert not (two.root / "shadow").exists()


def test_what_finds_no_room_is_dropped_and_counted(two: Line) -> None:
    counted: list[str] = []
    shadow = Shadow(two.root, SETTINGS, settings(two, queue=2, share=0.0), counted.append)  # not started
    for _ in range(3):
        shadow.offer(True, QUESTION, b"{}")
        shadow.offer(False, QUESTION, b"{}")
    assert counted == ["dropped"]


def test_a_candidate_that_understands_other_questions_fails_in_the_log_alone(
    two: Line, tmp_path: Path
) -> None:
    live = Live(two.root, SETTINGS, choose=lambda: "model-1")
    assert live.refresh()
    log = RotatedLines(tmp_path / "log.jsonl", 10_000, 1)
    body = json.dumps({"requests": [REQUESTS[0] | {"new_feature": 1}]}).encode()
    answered = json.dumps({"model_id": "model-0"}).encode()
    assert outcome(live.serving, "share", body, answered, log) == "failed"
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"at": "2026-01')  # cut off by a kill
    report = summed_up(tmp_path)
    assert (report.failed, report.unreadable, report.pairs) == (1, 1, ())
    assert "model-1: " in str(report.last_error)
    assert "requests.0.new_feature" in str(report.last_error)
    own = json.dumps({"model_id": "model-1"}).encode()
    assert outcome(live.serving, "share", QUESTION, own, log) == "no_candidate"  # it was promoted meanwhile


def test_ids_of_ads_are_logged_where_they_are_asked_for(two: Line, tmp_path: Path, client: Client) -> None:
    live = Live(two.root, SETTINGS, choose=lambda: "model-1")
    live.refresh()
    log = RotatedLines(tmp_path / "log.jsonl", 10_000, 1)
    body = json.dumps({"requests": REQUESTS[:1], "ids": "string", "ad_ids": ["9", "7", "5"]}).encode()
    answered = client.send("POST", "/rank", body, JSON)[2]
    assert outcome(live.serving, "asked", body, answered, log, ids=True) == "compared"
    line = json.loads((tmp_path / "log.jsonl").read_text())
    assert line["live_ads"] == line["candidate_ads"] == ["7", "9"]
    assert (line["why"], line["request_id"], line["ads"], line["shared"]) == ("asked", "1", 2, 2)


def test_the_newest_candidate_is_as_new_as_the_champion_published_and_not_taken_down(line: Line) -> None:
    catalogue = Catalogue(line.root)
    line.promote(1)
    with pytest.raises(RegistryError, match="mtmd publish --model MODEL"):
        newest_candidate(line.registry, catalogue)
    line.candidate(2)
    line.candidate(3, publish=False)
    assert newest_candidate(line.registry, catalogue) == "model-2"
    line.publish("model-3", date(2026, 1, 24))
    assert newest_candidate(line.registry, catalogue) == "model-3"
    line.registry.promote("model-3", date(2026, 1, 24), "good", 1)
    with pytest.raises(RegistryError, match="as new as champion model-3"):
        newest_candidate(line.registry, catalogue)
    line.registry.rollback("bad", lambda _: None)
    assert newest_candidate(line.registry, catalogue) == "model-2"


def test_a_named_candidate_without_ads_is_named_with_what_publishes_them(two: Line) -> None:
    catalogue = Catalogue(two.root)
    assert named_candidate(two.registry, catalogue, "model-1") == "model-1"
    shutil.rmtree(two.root / "ads" / "model-1")
    with pytest.raises(BundleError, match=r"for candidate model-1; run `mtmd publish --model model-1`"):
        named_candidate(two.registry, catalogue, "model-1")
    with pytest.raises(RegistryError, match="model 'model-7' is not in"):
        named_candidate(two.registry, catalogue, "model-7")
