"""The service as its clients see it."""

import json
import math
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from prometheus_client import Counter
from starlette.requests import Request

from mtmd.serve.http.live import Serving
from tests.serve.http.conftest import ADS, HURRIED, JSON, SETTINGS, Client, Line, serving, until

REQUESTS = [
    {"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.25},
    {"surface": "home_feed", "activity": -1.0, "depth": 1, "country": "fr"},
]
BODY = {"requests": REQUESTS}


def click(request: dict, ad: dict) -> float:
    return 1 / (1 + math.exp(-(request["activity"] * ad["bid"] + request["depth"] * ad["age"])))


def test_a_ranking_is_the_arithmetic_of_the_towers(client: Client) -> None:
    status, answer = client.post("/rank", BODY)
    assert status == 200
    assert (answer["model_id"], answer["bundle_id"], answer["day"]) == ("model-0", "0" * 64, "2026-01-21")
    assert [found["request_id"] for found in answer["requests"]] == [1, None]
    for request, found in zip(REQUESTS, answer["requests"], strict=True):
        expected = sorted(ADS, key=lambda ad: -click(request, ad))
        assert [ad["ad_id"] for ad in found["ads"]] == [ad["ad_id"] for ad in expected]
        for ad, said in zip(expected, found["ads"], strict=True):
            assert said["score"] == said["probability"]["ctr"] == pytest.approx(click(request, ad), rel=1e-5)
            logit = math.log(1 / click(request, ad) - 1)
            octr = click(request, ad) / (1 + math.exp(4 * logit))
            assert said["probability"]["octr"] == (
                pytest.approx(octr, rel=1e-5) if ad["product"] == "standard" else None
            )


def test_named_ads_are_ranked_alone_by_a_child_tasks_probability(client: Client) -> None:
    _, answer = client.post("/rank", BODY | {"ad_ids": [9, 7, 7, 12345], "rank_by": "octr"})
    assert answer["unpublished"] == [12345]
    for found in answer["requests"]:
        (ad,) = found["ads"]  # 9 is a shopping ad, which lacks the task
        assert (ad["ad_id"], ad["score"]) == (7, ad["probability"]["octr"])


def test_an_embedding_is_what_the_tower_gives(client: Client) -> None:
    status, answer = client.post("/embed", BODY)
    assert (status, answer["bundle_id"]) == (200, "0" * 64)
    assert answer["requests"] == [
        {"request_id": 1, "embedding": {"ctr": [1.0, 0.25], "octr": [2.0, 0.5]}},
        {"request_id": None, "embedding": {"ctr": [-1.0, 1.0], "octr": [-2.0, 2.0]}},
    ]


def test_whole_numbers_are_integers_however_they_are_written(client: Client) -> None:
    text = json.dumps(BODY | {"top_k": 2, "ad_ids": [7, 9]})
    status, answer = client.post("/rank", text.replace("2,", "2.0,").replace("[7, 9]", "[7.0, 9e0]").encode())
    assert status == 200
    assert {ad["ad_id"] for ad in answer["requests"][0]["ads"]} == {7, 9}


def test_big_ids_may_be_strings(client: Client) -> None:
    big = 2**53 + 1  # no number of JavaScript
    same = {"surface": "search", "activity": 1.0, "depth": 0.25}
    body = {"requests": [same | {"request_id": str(big)}, same], "ad_ids": ["7", 9, str(big)]}
    _, answer = client.post("/rank", body)
    assert [found["request_id"] for found in answer["requests"]] == [big, None]
    assert {ad["ad_id"] for ad in answer["requests"][0]["ads"]} == {7, 9}
    assert answer["unpublished"] == [big]


def test_it_says_that_it_lives_what_it_serves_and_how_it_does(client: Client) -> None:
    assert client.send("GET", "/health")[::2] == (200, b"ok")
    assert client.get("/ready") == (
        200,
        {"model_id": "model-0", "bundle_id": "0" * 64, "day": "2026-01-21", "ads": 4, "problem": None},
    )
    client.post("/rank", BODY)
    client.post("/rank", {})
    text = client.send("GET", "/metrics")[2].decode()
    assert 'mtmd_request_seconds_count{path="/rank",status="200"}' in text
    assert 'mtmd_request_seconds_count{path="/rank",status="422"}' in text
    assert f'mtmd_serving_info{{bundle_id="{"0" * 64}",day="2026-01-21",model_id="model-0"}} 1.0' in text
    assert "mtmd_published_ads 4.0" in text
    assert "mtmd_in_flight 0.0" in text
    assert "mtmd_swaps_total 1.0" in text


def test_openapi_has_the_routes_and_the_bundles_features_and_tasks(client: Client) -> None:
    status, document = client.get("/openapi.json")
    assert status == 200
    schemas = document["components"]["schemas"]
    request = schemas["Request"]
    own = {"request_id", "user_id", "surface"}
    assert set(request["properties"]) == own | {"country", "activity", "depth"}
    assert request["properties"]["surface"]["enum"] == ["home_feed", "search"]
    assert request["additionalProperties"] is False
    kinds = [kind["type"] for kind in request["properties"]["request_id"]["anyOf"]]
    assert kinds == ["integer", "string", "null"]
    routes = {"/rank", "/embed", "/health", "/ready", "/metrics", "/openapi.json"}
    assert set(document["paths"]) == routes
    assert set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document))) <= set(schemas)


def one(**request: object) -> dict:
    return {"requests": [{"surface": "search"} | request]}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 422, "Invalid JSON"),
        (b"\xff\xfe", 422, "Invalid JSON"),
        (b'{"requests": [{"surface": "\\ud800"}]}', 422, "Invalid JSON"),
        (b"[" * 9000, 422, "Invalid JSON"),
        (b'{"requests": [{"surface": "search", "request_id": 1' + b"0" * 5000 + b"}]}", 422, "out of range"),
        (b"null", 422, "should be an object"),
        ({}, 422, "requests"),
        ({"requests": []}, 422, "at least 1"),
        ({"requests": [{"surface": "search"}] * 5}, 422, "at most 4"),
        ({"requests": [{}]}, 422, '"requests", 0, "surface"'),
        (one(surface="sidebar"), 422, "'home_feed' or 'search'"),
        (one(nonsense=1), 422, '"requests", 0, "nonsense"'),
        (one(activity="1"), 422, '"requests", 0, "activity"'),
        (one(activity=True), 422, '"requests", 0, "activity"'),
        (b'{"requests": [{"surface": "search", "activity": NaN}]}', 422, "finite"),
        (one(activity=1e19), 422, '"requests", 0, "activity"'),
        (one(activity=1e9), 422, "features that give a ctr embedding beyond"),
        (one(country="x" * 1025), 422, "at most 1024"),
        (one(request_id=2**63), 422, '"requests", 0, "request_id"'),
        (one(request_id="007"), 422, '"requests", 0, "request_id"'),
        (one() | {"rank_by": "cvr"}, 422, "rank_by"),
        (one() | {"rank_by": {}}, 422, "rank_by"),
        (one() | {"rank_by": {"ctr": "1"}}, 422, "rank_by"),
        (one() | {"top_k": 0}, 422, "top_k"),
        (one() | {"top_k": 51}, 422, "top_k"),
        (one() | {"top_k": 1.5}, 422, "top_k"),
        (one() | {"ad_ids": [1] * 101}, 422, "at most 100"),
        (one() | {"ad_ids": ["1.0"]}, 422, "ad_ids"),
        (one() | {"more": 1}, 422, "more"),
        (one(country="x" * 20_001), 413, "more than 20000 bytes"),
    ],
    ids=lambda value: None if isinstance(value, int) else str(value)[:40],
)
def test_a_wrong_body_is_told_what_is_wrong(client: Client, body: object, status: int, words: str) -> None:
    found, problem = client.post("/rank", body)
    assert found == status
    assert words in json.dumps(problem)
    assert len(json.dumps(problem)) < 4000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/rank", 405),
        ("DELETE", "/ready", 405),
        ("GET", "/nothing", 404),
        ("POST", "/../etc/passwd", 404),
    ],
)
def test_a_wrong_way_to_ask_is_refused(client: Client, method: str, path: str, status: int) -> None:
    found, said, content = client.send(method, path, b"{}" if method == "POST" else None)
    assert found == status
    assert json.loads(content)["detail"]
    assert status != 405 or said["allow"]


def head(length: int) -> bytes:
    kind = "Content-Type: application/json\r\n"
    return f"POST /rank HTTP/1.1\r\nHost: x\r\n{kind}Content-Length: {length}\r\n\r\n".encode()


def test_who_sends_a_body_slowly_is_told_so(line: Line) -> None:
    line.promote(0)
    with serving(line.root, HURRIED) as client:
        assert client.raw(head(100) + b'{"requests"').startswith(b"HTTP/1.1 408 ")


def test_without_a_champion_it_lives_and_is_not_ready_until_there_is_one(line: Line) -> None:
    with serving(line.root, SETTINGS) as client:
        assert client.send("GET", "/health")[0] == 200
        status, headers, content = client.send("GET", "/ready")
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"has no champion" in content
        for path in ("/rank", "/embed"):
            assert client.post(path, BODY)[0] == 503
        assert client.send("GET", "/openapi.json")[0] == 503
        line.promote(0)
        until(lambda: client.get("/ready")[0] == 200)
        assert client.post("/rank", BODY)[0] == 200


@dataclass
class Slow:
    """A ranking that takes until it may go on, and answers with the body."""

    began: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def answer(self, _: Serving, body: bytes) -> bytes:
        self.began.set()
        self.go_on.wait(60)
        return body


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow()
    monkeypatch.setattr("mtmd.serve.http.answers.answer_rank", slow.answer)
    return slow


def _await_in_flight(client: Client, calls: float) -> None:
    until(lambda: f"mtmd_in_flight {calls}" in client.send("GET", "/metrics")[2].decode())


def test_too_many_calls_are_shed_and_told_when_to_come_back(line: Line, slow: Slow) -> None:
    line.promote(0)
    settings = SETTINGS.model_copy(update={"threads": 1, "queue": 1})
    with serving(line.root, settings) as client, ThreadPoolExecutor(2) as clients:
        first = clients.submit(client.send, "POST", "/rank", b"1", JSON)
        assert slow.began.wait(60)
        second = clients.submit(client.send, "POST", "/rank", b"2", JSON)
        _await_in_flight(client, 2.0)
        status, headers, content = client.send("POST", "/embed", b"3", JSON)
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"too many calls are waiting; come back later" in content
        slow.go_on.set()
        assert [waiting.result()[::2] for waiting in (first, second)] == [(200, b"1"), (200, b"2")]


def test_slow_calls_are_shed_and_told_when_to_come_back(line: Line, slow: Slow) -> None:
    line.promote(0)
    settings = SETTINGS.model_copy(update={"threads": 1, "queue": 1, "timeout_s": 0.3})
    with serving(line.root, settings) as client, ThreadPoolExecutor(2) as clients:
        first = clients.submit(client.send, "POST", "/rank", b"1", JSON)
        assert slow.began.wait(60)
        second = clients.submit(client.send, "POST", "/rank", b"2", JSON)
        for waiting in (first, second):
            status, headers, content = waiting.result()
            assert (status, headers["retry-after"]) == (503, "1")
            assert b"no answer within 0.3 s" in content
        # what never began has left, what runs keeps its room until it ends
        assert "mtmd_in_flight 1.0" in client.send("GET", "/metrics")[2].decode()
        slow.go_on.set()
        _await_in_flight(client, 0.0)
        until(lambda: client.send("POST", "/rank", b"4", JSON)[::2] == (200, b"4"))  # 0.3 s may be too short


def test_an_observer_sees_the_calls_that_were_ranked_and_has_its_figures(line: Line) -> None:
    seen: list[tuple[str, bytes, bytes]] = []

    class Seeing:
        collector = Counter("seen", "calls", registry=None)

        def start(self) -> None:
            seen.append(("start", b"", b""))

        def stop(self) -> None:
            seen.append(("stop", b"", b""))

        def answered(self, request: Request, body: bytes, answer: bytes) -> None:
            self.collector.inc()
            seen.append((request.query_params["model"], body, answer))

    line.promote(0)
    with serving(line.root, SETTINGS, observers=[Seeing()]) as client:
        body = json.dumps(BODY).encode()
        _, _, answer = client.send("POST", "/rank?model=candidate", body, JSON)
        client.post("/rank?model=candidate", {})
        client.post("/embed?model=candidate", BODY)
        assert "seen_total 1.0" in client.send("GET", "/metrics")[2].decode()
    assert seen == [("start", b"", b""), ("candidate", body, answer), ("stop", b"", b"")]
