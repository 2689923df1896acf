"""A candidate answers in the shadow: compared, logged and summed up, while the live answer stays what it was."""

import json
import logging
import multiprocessing
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.requests import Request

from mtmd.cli import main
from mtmd.config import Preset, load_preset
from mtmd.errors import RegistryError
from mtmd.extras.shadow import Settings
from mtmd.extras.shadow.candidate import (
    Compared,
    Shadowing,
    TaskScores,
    begin,
    compare,
    newest_candidate,
    open_log,
    outcome,
    summed_up,
)
from mtmd.extras.shadow.observer import Shadow, observer
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.http.live import Live
from tests.serve.http.conftest import JSON, SETTINGS, Client, Line, serving, until

REQUESTS = [
    {"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.25},
    {"request_id": 2, "surface": "home_feed", "activity": -1.0, "depth": 1.0},
]
BODY = json.dumps({"requests": REQUESTS, "top_k": 2, "rank_by": "octr"}).encode()
ASKED = Request({"type": "http", "query_string": b"model=candidate"})
NOT_ASKED = Request({"type": "http", "query_string": b""})


@pytest.fixture
def two(line: Line) -> Line:
    """Champion model-0, and candidate model-1, whose octr logits are 2.25 times the champion's."""
    line.promote(0)
    line.candidate(1, octr_scale=3.0)
    return line


def told(root: Path, **settings: Any) -> Shadowing:
    return Shadowing(root, root / "shadow" / "log.jsonl", SETTINGS, Settings(model="newest", **settings))


def shadow(line: Line, **settings: Any) -> Shadow:
    return Shadow(told(line.root, **settings))


@contextmanager
def a_log(folder: Path) -> Iterator[logging.Logger]:
    log = open_log(folder / "log.jsonl")
    yield log
    for handler in log.handlers:
        handler.close()


def count(client: Client, outcome: str) -> float:
    text = client.send("GET", "/metrics")[2].decode()
    found = re.search(rf'mtmd_shadow_total{{outcome="{outcome}"}} (\S+)', text)
    return float(found[1]) if found else 0.0


def test_a_preset_turns_it_on(tiny_preset: Preset, tmp_path: Path) -> None:
    assert observer(tiny_preset, tmp_path, SETTINGS, "a-8080") is None
    (tmp_path / "own.toml").write_text(
        'base = "tiny"\nname = "own"\n[extras.shadow]\nmodel = "newest"\nshare = 0.5\n'
    )
    made = observer(load_preset(str(tmp_path / "own.toml")), tmp_path, SETTINGS, "a-8080")
    assert made is not None


def test_the_live_answer_stays_and_the_log_has_both(two: Line) -> None:
    with serving(two.root, SETTINGS) as client:
        alone = client.send("POST", "/rank", BODY, JSON)[2]
        assert client.send("POST", "/rank?model=candidate", BODY, JSON)[2] == alone
    with serving(two.root, SETTINGS, observers=[shadow(two)]) as client:
        client.send("POST", "/rank", BODY, JSON)  # nobody asks for the candidate

        def asked(name: str) -> bool:
            assert client.send("POST", "/rank?model=candidate", BODY, JSON)[2] == alone
            return count(client, name) > 0

        until(lambda: asked("compared"))
        assert client.send("POST", "/rank?model=candidate", b"{}", JSON)[0] == 422  # nothing to compare
        (process,) = multiprocessing.active_children()
        process.kill()
        until(lambda: asked("lost"))
        before = count(client, "compared")
        until(lambda: asked("compared") and count(client, "compared") > before)
    text = (two.root / "shadow" / "log.jsonl").read_text()
    assert "activity" not in text
    _sums_are_right(two.root / "shadow", json.loads(alone))


def _sums_are_right(folder: Path, live: dict[str, Any]) -> None:
    """By hand: with logit x = activity · bid + depth · age, P(octr) = σ(x) σ(4x) live and σ(x) σ(9x) in the shadow."""
    (file,) = folder.iterdir()
    lines = [Compared.model_validate_json(line) for line in file.read_text().splitlines()]
    for line in lines:
        assert (line.live, line.candidate) == ("model-0", "model-1")
        # the order of two ads is that of x in both models
        assert (line.ads, line.shared, line.same_first) == (2, 2, True)
        place = ["search", "home_feed"].index(line.surface)
        ctr, octr = (
            [ad["probability"][task] for ad in live["requests"][place]["ads"]] for task in ("ctr", "octr")
        )
        shadowed = [p / (1 + ((1 - p) / p) ** 9) for p in ctr]
        found = line.tasks
        assert found["ctr"].live == found["ctr"].candidate == pytest.approx(sum(ctr) / 2)
        assert found["octr"].live == pytest.approx(sum(octr) / 2)
        assert found["octr"].candidate == pytest.approx(sum(shadowed) / 2, rel=1e-5)
        differences = [abs(a - b) for a, b in zip(octr, shadowed, strict=True)]
        assert found["octr"].absolute == pytest.approx(sum(differences) / 2, rel=1e-4)
        assert found["octr"].largest == pytest.approx(max(differences), rel=1e-4)
        assert found["octr"].largest > 0.001


def test_what_finds_no_process_is_dropped_and_counted(two: Line) -> None:
    waiting = shadow(two)  # not started
    for _ in range(3):
        waiting.answered(ASKED, BODY, b"{}")
        waiting.answered(NOT_ASKED, BODY, b"{}")
    (figures,) = waiting.collector.collect()
    totals = {sample.labels["outcome"]: sample.value for sample in figures.samples if "total" in sample.name}
    assert totals == {"dropped": 3.0}


def test_a_candidate_that_understands_other_bodies_fails_in_the_log_alone(two: Line, tmp_path: Path) -> None:
    live = Live(two.root, SETTINGS, choose=lambda: "model-1")
    assert live.refresh()
    body = json.dumps({"requests": [REQUESTS[0] | {"new_feature": "mine"}]}).encode()
    answered, itself = (json.dumps({"model_id": f"model-{number}"}).encode() for number in (0, 1))
    with a_log(tmp_path) as log:
        assert outcome(live.serving, body, answered, log) == "failed"
        assert outcome(live.serving, BODY, itself, log) == "no_candidate"  # promoted meanwhile
    (failed,) = summed_up(tmp_path)
    assert failed.startswith("1 calls failed; the last one: model-1: ")
    assert "'requests', 0, 'new_feature'" in failed
    assert "mine" not in failed


def _pids(said: str) -> None:
    """A service with a shadow, which says the process of it."""
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), begin, (told(Path(said).parent),)
    ) as pool:
        Path(said).write_text(f"{pool.submit(os.getpid).result()}")
        time.sleep(60)


def test_a_candidate_that_is_none_any_more_is_not_compared_and_ends_with_its_service(two: Line) -> None:
    body, answered = b'{"requests": [{}]}', b'{"model_id": "model-0"}'
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawned, begin, (told(two.root),)) as pool:
        assert pool.submit(compare, body, answered).result() == "failed"
        two.registry.promote("model-1", date(2026, 1, 22), "good", 1)
        two.registry.rollback("bad", lambda _: None)
        until(lambda: pool.submit(compare, body, answered).result() == "no_candidate")
    service = spawned.Process(target=_pids, args=(str(two.root / "pid"),))
    service.start()
    until(lambda: (two.root / "pid").exists() and (two.root / "pid").read_text())
    service.kill()
    until(lambda: not psutil.pid_exists(int((two.root / "pid").read_text())))


def test_the_newest_candidate_is_as_new_as_the_champion_published_and_not_taken_down(line: Line) -> None:
    catalogue = Catalogue(line.root)
    line.promote(1)
    with pytest.raises(RegistryError, match="mtmd publish --model MODEL"):
        newest_candidate(line.registry, catalogue)
    catalogue.serve("gone", Current(name=f"2026-01-25-{'0' * 16}", day=date(2026, 1, 25), ads=1))
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


def logged(hour: int, surface: str, ads: int, live: float, candidate: float) -> str:
    scores = TaskScores(ads=ads, live=live, candidate=candidate, absolute=0.02 * hour, largest=0.1 * hour)
    return Compared(
        at=datetime(2026, 1, 23, hour, tzinfo=UTC), live="20260121-aaaaaaaaaa", candidate="20260122-bbbbbbbbbb",
        request_id=f"\u2028{hour}", surface=surface,
        ads=ads, shared=ads - 1, same_first=hour == 1, tasks={"ctr": scores},
    ).model_dump_json()  # fmt: skip


def test_the_log_is_summed_up_by_surface_and_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["shadow", "--preset", "tiny", "--artifacts", str(tmp_path)]
    folder = tmp_path / "tiny" / "shadow"
    assert main(command) == 1
    assert 'set `model = "newest"` in [extras.shadow]' in " ".join(capsys.readouterr().err.split())
    failed = {"at": "2026-01-23T04:00:00Z", "candidate": "20260122-b", "error": "no task"}
    folder.mkdir(parents=True)
    (folder / "a-8080.jsonl.1").write_text(f"{logged(1, 'search', 1, 0.1, 0.2)}\n")
    lines = [
        logged(2, "search", 3, 0.3, 0.2),
        json.dumps(failed),
        logged(3, "home_feed", 2, 0.5, 0.5),
        '{"at":',
    ]
    (folder / "a-8080.jsonl").write_text("".join(f"{line}\n" for line in lines))
    assert main(command) == 0
    # search: live (0.1 + 3 × 0.3) / 4, candidate (0.2 + 3 × 0.2) / 4, |difference| (0.02 + 3 × 0.04) / 4
    assert capsys.readouterr().out.splitlines() == [
        "20260122-bbbbbbbbbb beside champion 20260121-aaaaaaaaaa",
        "3 requests, 2026-01-23 01:00 to 2026-01-23 03:00 UTC",
        "50.0% of the 6 answered ads are among the candidate's too",
        "33.3% of the requests have the same best ad",
        "home_feed × ctr, 2 ads: mean probability 0.5000 live, 0.5000 candidate; differences 0.0600 at the mean, "
        "0.3000 at most",
        "search × ctr, 4 ads: mean probability 0.2500 live, 0.2000 candidate; differences 0.0350 at the mean, "
        "0.2000 at most",
        "1 calls failed; the last one: 20260122-b: no task",
        "1 lines cannot be read and were left out",
    ]
