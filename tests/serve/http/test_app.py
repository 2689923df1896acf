"""The service as its clients see it."""

import json
import math
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pytest

from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Serving
from mtmd.serve.laps import Lap
from tests.serve.http.conftest import ADS, DAY, HURRIED, SETTINGS, Client, Line, serving, until

REQUESTS = [
    {"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.25},
    {"surface": "home_feed", "activity": -1.0, "depth": 1, "country": "fr"},
]
QUESTION = {"requests": REQUESTS}
LAST = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def click(request: dict, ad: dict) -> float:
    return 1 / (1 + math.exp(-(request["activity"] * ad["bid"] + request["depth"] * ad["age"])))


def test_a_ranking_is_the_arithmetic_of_the_towers(client: Client) -> None:
    status, answer = client.post("/rank", QUESTION)
    assert status == 200
    assert (answer["model_id"], answer["bundle_id"], answer["day"]) == ("model-0", "0" * 64, "2026-01-21")
    assert [own["request_id"] for own in answer["requests"]] == [1, None]
    for request, own in zip(REQUESTS, answer["requests"], strict=True):
        expected = sorted(ADS, key=lambda ad: -click(request, ad))
        assert [ad["ad_id"] for ad in own["ads"]] == [ad["ad_id"] for ad in expected]
        for ad, said in zip(expected, own["ads"], strict=True):
            assert said["score"] == said["probability"]["ctr"] == pytest.approx(click(request, ad), rel=1e-5)
            logit = math.log(1 / click(request, ad) - 1)
            octr = click(request, ad) / (1 + math.exp(4 * logit))
            assert said["probability"]["octr"] == (
                pytest.approx(octr, rel=1e-5) if ad["product"] == "standard" else None
            )


def test_a_child_task_ranks_by_its_probability(client: Client) -> None:
    _, answer = client.post("/rank", QUESTION | {"rank_by": "octr", "top_k": 1})
    for own in answer["requests"]:
        (ad,) = own["ads"]
        assert ad["score"] == ad["probability"]["octr"]


def test_a_utility_is_bid_times_weighted_probability(client: Client) -> None:
    _, answer = client.post("/rank", QUESTION | {"rank_by": {"ctr": 2.0, "octr": -1}})
    bids = {ad["ad_id"]: ad["bid"] for ad in ADS}
    for own in answer["requests"]:
        scores = [ad["score"] for ad in own["ads"]]
        assert scores == sorted(scores, reverse=True)
        for ad in own["ads"]:
            value = 2 * ad["probability"]["ctr"] - (ad["probability"]["octr"] or 0)
            assert ad["score"] == pytest.approx(bids[ad["ad_id"]] * value, rel=1e-5)


def test_named_ads_are_ranked_alone(client: Client) -> None:
    _, answer = client.post("/rank", QUESTION | {"ad_ids": [9, 7, 7, 12345]})
    assert answer["unpublished"] == [12345]
    assert [{ad["ad_id"] for ad in own["ads"]} for own in answer["requests"]] == [{7, 9}] * 2


def test_an_embedding_is_what_the_tower_gives(client: Client) -> None:
    status, answer = client.post("/embed", QUESTION)
    assert (status, answer["bundle_id"]) == (200, "0" * 64)
    assert answer["requests"] == [
        {"request_id": 1, "embedding": {"ctr": [1.0, 0.25], "octr": [2.0, 0.5]}},
        {"request_id": None, "embedding": {"ctr": [-1.0, 1.0], "octr": [-2.0, 2.0]}},
    ]


def test_it_says_that_it_lives_what_it_serves_and_how_it_does(client: Client) -> None:
    assert client.send("GET", "/health")[::2] == (200, b"ok")
    assert client.get("/ready") == (
        200,
        {"model_id": "model-0", "bundle_id": "0" * 64, "day": "2026-01-21", "ads": 4, "problem": None},
    )
    client.post("/rank", QUESTION)
    client.post("/rank", {})
    text = client.send("GET", "/metrics")[2].decode()
    assert 'mtmd_request_seconds_count{path="/rank",status="200"}' in text
    assert 'mtmd_request_seconds_count{path="/rank",status="422"}' in text
    assert f'mtmd_serving_info{{bundle_id="{"0" * 64}",day="2026-01-21",model_id="model-0"}} 1.0' in text
    assert "mtmd_published_ads 4.0" in text
    assert "mtmd_in_flight 0.0" in text
    assert "mtmd_swaps_total 1.0" in text


def test_the_stages_of_a_call_are_as_long_as_the_call(line: Line) -> None:
    line.promote(0)
    with serving(line.root, SETTINGS) as client:
        client.post("/rank", QUESTION)
        client.post("/rank", QUESTION | {"ad_ids": [9, 7]})
        client.post("/rank", {})  # refused: no stages
        client.post("/embed", QUESTION)
        text = client.send("GET", "/metrics")[2].decode()
    own = {
        path: dict(re.findall(rf'mtmd_stage_seconds_count{{path="{path}",stage="(\w+)"}} (\S+)', text))
        for path in ("/rank", "/embed")
    }
    always = ("read", "wait", "parse", "encode", "query_tower", "serialise", "hand_back")
    assert own["/embed"] == dict.fromkeys(always, "1.0")
    assert own["/rank"] == dict.fromkeys((*always, "search", "score"), "2.0") | {"look_up": "1.0"}
    stages = re.findall(r'mtmd_stage_seconds_sum{path="/rank",stage="\w+"} (\S+)', text)
    call = re.search(r'mtmd_request_seconds_sum{path="/rank",status="200"} (\S+)', text)
    assert call is not None
    assert 0.5 * float(call[1]) < sum(map(float, stages)) <= float(call[1])
    assert 'mtmd_stage_seconds_bucket{le="5e-05",path="/rank",stage="search"}' in text


def test_whole_numbers_are_integers_however_they_are_written(client: Client) -> None:
    body = (
        json.dumps(QUESTION | {"top_k": 2, "ad_ids": [7, 9]})
        .replace("2,", "2.0,")
        .replace("[7, 9]", "[7.0, 9e0]")
    )
    status, answer = client.post("/rank", body.encode())
    assert status == 200
    assert {ad["ad_id"] for ad in answer["requests"][0]["ads"]} == {7, 9}


BIG = 2**53 + 1  # no number of JavaScript


def test_ids_are_strings_for_clients_that_ask_for_them(client: Client) -> None:
    same = {"surface": "search", "activity": 1.0, "depth": 0.25}
    requests = [same | {"request_id": str(BIG)}, same, same | {"request_id": -7}]
    question = {"requests": requests, "rank_by": "ctr", "ad_ids": ["7", 9, str(BIG)]}
    _, numbers = client.post("/rank", question)
    assert [own["request_id"] for own in numbers["requests"]] == [BIG, None, -7]
    assert {ad["ad_id"] for ad in numbers["requests"][0]["ads"]} == {7, 9}
    assert numbers["unpublished"] == [BIG]
    _, strings = client.post("/rank", question | {"ids": "string"})
    assert [own["request_id"] for own in strings["requests"]] == [str(BIG), None, "-7"]
    assert {ad["ad_id"] for ad in strings["requests"][0]["ads"]} == {"7", "9"}
    assert strings["unpublished"] == [str(BIG)]
    for path in ("/embed", "/rank"):
        _, answer = client.post(path, {"requests": requests[:1], "ids": "string"})
        assert answer["requests"][0]["request_id"] == str(BIG)


def test_openapi_has_the_bundles_features_and_tasks(client: Client) -> None:
    status, document = client.get("/openapi.json")
    assert status == 200
    request = document["components"]["schemas"]["Request"]
    assert set(request["properties"]) == {"request_id", "surface", "country", "activity", "depth"}
    assert request["properties"]["surface"]["enum"] == ["home_feed", "search"]
    assert request["additionalProperties"] is False
    assert [kind["type"] for kind in request["properties"]["request_id"]["anyOf"]] == [
        "integer",
        "string",
        "null",
    ]
    assert document["components"]["schemas"]["RankQuestion"]["properties"]["ids"]["enum"] == [
        "declared",
        "string",
    ]
    assert set(document["paths"]) == {"/rank", "/embed", "/health", "/ready", "/metrics", "/docs"}
    assert set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document))) <= set(
        document["components"]["schemas"]
    )


def one(**request: object) -> dict:
    return {"requests": [{"surface": "search"} | request]}


@pytest.mark.parametrize(
    ("question", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'{"requests": [{"surface": "\\ud800"}]}', 400, "not JSON"),
        (b"[" * 9000, 400, "not JSON"),
        (b"[]", 422, "1 value of the body cannot be read; /openapi.json"),
        (b"null", 422, "1 value of the body cannot be read; /openapi.json"),
        ({}, 422, "requests"),
        ({"requests": []}, 422, "at least 1"),
        ({"requests": [{"surface": "search"}] * 5}, 422, "at most 4"),
        ({"requests": [{}]}, 422, "requests.0.surface"),
        (one(surface="sidebar"), 422, "'home_feed' or 'search'"),
        (one(nonsense=1), 422, "requests.0.nonsense"),
        (one(activity="1"), 422, "requests.0.activity"),
        (one(activity=True), 422, "requests.0.activity"),
        (one(activity=[1]), 422, "requests.0.activity"),
        (b'{"requests": [{"surface": "search", "activity": NaN}]}', 422, "finite"),
        (b'{"requests": [{"surface": "search", "activity": -Infinity}]}', 422, "finite"),
        (b'{"requests": [{"surface": "search", "activity": 1e999}]}', 422, "finite"),
        (b'{"requests": [{"surface": "search", "request_id": 1' + b"0" * 5000 + b"}]}", 400, "out of range"),
        (one(activity=1e19), 422, "requests.0.activity"),
        (one(activity=1e9), 422, "features that give a ctr embedding beyond"),
        (one(country="x" * 1025), 422, "at most 1024"),
        (one(request_id=2**63), 422, "requests.0.request_id"),
        (one() | {"rank_by": "cvr"}, 422, "rank_by"),
        (one() | {"rank_by": {}}, 422, "rank_by"),
        (one() | {"rank_by": {"cvr": 1}}, 422, "rank_by"),
        (one() | {"rank_by": {"ctr": "1"}}, 422, "rank_by"),
        (one() | {"top_k": 0}, 422, "top_k"),
        (one() | {"top_k": 51}, 422, "top_k"),
        (one() | {"top_k": 1.5}, 422, "top_k"),
        (one() | {"ad_ids": [1] * 101}, 422, "at most 100"),
        (one() | {"ad_ids": ["1.0"]}, 422, "ad_ids"),
        (one() | {"ids": "number"}, 422, "'declared' or 'string'"),
        (one(request_id="007"), 422, "requests.0.request_id"),
        (one(request_id=""), 422, "requests.0.request_id"),
        (one(request_id=[1]), 422, "requests.0.request_id"),
        (one(request_id=str(2**63)), 422, "requests.0.request_id"),
        (one() | {"more": 1}, 422, "more"),
        (one(country="x" * 20_001), 413, "more than 20000 bytes"),
    ],
    ids=lambda value: None if isinstance(value, int) else str(value)[:40],
)
def test_a_wrong_question_is_told_what_is_wrong(
    client: Client, question: object, status: int, words: str
) -> None:
    found, problem = client.post("/rank", question)
    assert found == status
    assert words in json.dumps(problem)
    assert len(json.dumps(problem)) < 4000


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/rank", {}, 415),
        ("POST", "/rank", {"content-type": "text/plain"}, 415),
        ("POST", "/rank", {"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ("GET", "/rank", {}, 405),
        ("DELETE", "/ready", {}, 405),
        ("GET", "/nothing", {}, 404),
        ("POST", "/../etc/passwd", {}, 404),
    ],
)
def test_a_wrong_way_to_ask_is_refused(
    client: Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    found, said, content = client.send(method, path, b"{}" if method == "POST" else None, headers)
    assert found == status
    assert json.loads(content)["error"]
    if status == 405:
        assert said["allow"]


def head(length: int, path: str = "/rank") -> bytes:
    kind = "Content-Type: application/json\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{kind}Content-Length: {length}\r\n\r\n".encode()


def test_who_declares_far_too_much_is_refused_at_once(client: Client) -> None:
    assert client.raw(head(10**12)).startswith(b"HTTP/1.1 413 ")


def test_a_request_that_says_its_length_in_two_ways_is_refused(client: Client) -> None:
    """A proxy may go by the other one, and take what follows for another client's request."""
    both = head(4, "/health").replace(b"Host: x", b"Host: x\r\nTransfer-Encoding: chunked")
    answer = client.raw(both + b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"both content-length and transfer-encoding" in answer


def test_who_sends_a_body_or_a_head_slowly_is_told_so(line: Line) -> None:
    line.promote(0)
    with serving(line.root, HURRIED) as client:
        for sent in (head(100) + b'{"requests"', b"", b"POST /rank HTTP/1.1\r\nHost:"):
            assert client.raw(sent).startswith(b"HTTP/1.1 408 ")


@pytest.fixture
def long_answers(line: Line) -> Iterator[tuple[Client, bytes]]:
    """A service, and a request whose answer is more than a megabyte."""
    line.promote(0, publish=False)
    line.publish("model-0", DAY, [ADS[0] | {"ad_id": number} for number in range(500)])
    body = json.dumps({"requests": [REQUESTS[0]] * 32, "top_k": 500}).encode()
    with serving(line.root, Settings(head_timeout_s=0.5, timeout_s=60.0)) as client:
        yield client, head(len(body)) + body


def test_who_takes_no_byte_of_an_answer_is_cut_off(long_answers: tuple[Client, bytes]) -> None:
    client, request = long_answers
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(request * 12 + LAST)  # the answers are more than the kernel holds
        time.sleep(4.0)
        assert received(connection, 0.0).count(b"HTTP/1.1 200 ") < 13


def test_who_reads_slowly_gets_the_whole_answer(long_answers: tuple[Client, bytes]) -> None:
    client, request = long_answers
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(request * 5 + LAST)
        assert received(connection, 0.1, 1 << 17).count(b"HTTP/1.1 200 ") == 6


def received(connection: socket.socket, pause_s: float, most: int = 1 << 18) -> bytes:
    """All that comes until the connection ends, with a pause after each part."""
    parts: list[bytes] = []
    with suppress(ConnectionResetError):
        while part := connection.recv(most):
            parts.append(part)
            time.sleep(pause_s)
    return b"".join(parts)


def test_clients_that_hang_cost_the_others_nothing(client: Client) -> None:
    with ExitStack() as hanging:
        for sent in (b"", b"POST /rank HT", head(100), head(100) + b"{") * 20:
            connection = socket.create_connection(("127.0.0.1", client.port), timeout=10)
            hanging.enter_context(connection)
            connection.sendall(sent)
        assert client.post("/rank", QUESTION)[0] == 200
        assert "mtmd_in_flight 0.0" in client.send("GET", "/metrics")[2].decode()


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/9\r\n\r\n", b"A" * 100_000])
def test_what_is_not_http_is_refused(client: Client, sent: bytes) -> None:
    assert client.raw(sent).startswith(b"HTTP/1.1 400 ")


def test_a_second_question_on_the_same_connection_may_wait_and_is_answered(client: Client) -> None:
    body = json.dumps(QUESTION).encode()
    twice = (head(len(body)) + body) * 2 + LAST
    assert client.raw(twice).count(b"HTTP/1.1 200 ") == 3


def test_without_a_champion_it_lives_and_is_not_ready_until_there_is_one(line: Line) -> None:
    with serving(line.root, SETTINGS) as client:
        assert client.send("GET", "/health")[0] == 200
        status, headers, content = client.send("GET", "/ready")
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"has no champion" in content
        for path in ("/rank", "/embed"):
            assert client.post(path, QUESTION)[0] == 503
        assert client.send("GET", "/openapi.json")[0] == 503
        line.promote(0)
        until(lambda: client.get("/ready")[0] == 200)
        assert client.post("/rank", QUESTION)[0] == 200


JSON = {"content-type": "application/json"}


@dataclass
class Slow:
    """A ranking that takes until it may go on, and answers with the question."""

    began: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def answer(self, _: Serving, body: bytes, __: Lap) -> bytes:
        self.began.set()
        self.go_on.wait(60)
        return body


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow()
    monkeypatch.setattr("mtmd.serve.http.app.answer_rank", slow.answer)
    return slow


def _await_in_flight(client: Client, questions: float) -> None:
    until(lambda: f"mtmd_in_flight {questions}" in client.send("GET", "/metrics")[2].decode())


def test_too_many_questions_are_shed_and_told_when_to_come_back(line: Line, slow: Slow) -> None:
    line.promote(0)
    settings = SETTINGS.model_copy(update={"threads": 1, "queue": 1})
    with serving(line.root, settings) as client, ThreadPoolExecutor(2) as clients:
        first = clients.submit(client.send, "POST", "/rank", b"1", JSON)
        assert slow.began.wait(60)
        second = clients.submit(client.send, "POST", "/rank", b"2", JSON)
        _await_in_flight(client, 2.0)
        status, headers, content = client.send("POST", "/embed", b"3", JSON)
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"2 questions are waiting; come back later" in content
        slow.go_on.set()
        assert [waiting.result()[::2] for waiting in (first, second)] == [(200, b"1"), (200, b"2")]


def test_slow_questions_are_shed_and_told_when_to_come_back(line: Line, slow: Slow) -> None:
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
        for _ in range(20):  # on a busy machine 0.3 s may be too short
            status, _, content = client.send("POST", "/rank", b"4", JSON)
            if b"no answer within 0.3 s" not in content:
                break
        assert (status, content) == (200, b"4")


def test_settings_are_bounded() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Settings(threads=0)
