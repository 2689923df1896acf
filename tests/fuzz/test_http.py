"""Bytes that no client would send: each connection gets an answer or is closed, and the next request is answered.

`tests/serve/http/test_app.py` has bodies that are wrong; here the head and the framing are strange.
"""

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from mtmd.serve.http.intake import Settings
from tests.fuzz.damage import tears, torn
from tests.serve.conftest import MakeBundle, declarations, make_bundle
from tests.serve.http.conftest import Client, Line, serving

__all__ = ["declarations", "make_bundle"]

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of what fails
BODY = b'{"requests": [{"surface": "search", "activity": 1.0, "depth": 0.25}], "top_k": 1}'
LENGTHS = (
    b"81",
    b"0",
    b"-1",
    b"+81",
    b"8_1",
    b"1e2",
    b"",
    b"81, 81",
    b"81, 82",
    b"9" * 5000,
    b"\xb2",
    b"0x51",
    b"81;",
    b"82",
)
HEADERS = (
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
    b"Transfer-Encoding:\tchunked", b"Expect: 100-continue", b"Expect: tea", b"Connection: upgrade",
    b"Upgrade: websocket",
    b"Upgrade: h2c", b"Content-Encoding: gzip", b"Content-Type: application/json", b"Content-Type: \xff\xfe",
    b"Content-Type: text/plain", b"Host: a", b"Host: \x00", b"Authorization: Bearer \xff", b"Cookie: " + b"c" * 100_000,
    b": nameless", b"No colon", b" folded: yes", b"Range: bytes=0-", b"X-Forwarded-For: " + b"1.1.1.1, " * 2000,
)  # fmt: skip
METHODS = (
    b"POST",
    b"GET",
    b"HEAD",
    b"PUT",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"PRI",
    b"post",
    b"P\x00ST",
    b"",
    b"M" * 70_000,
)
TARGETS = (
    b"/rank", b"/embed", b"/", b"/ready", b"/metrics", b"/docs", b"//rank", b"/rank/", b"/rank?model=candidate",
    b"/rank?model=../../etc/passwd", b"/rank?model=%00", b"/rank?model=%ff", b"/rank?" + b"m" * 60_000,
    b"/../etc/passwd",
    b"/%2e%2e/%2e%2e/etc/passwd", b"/docs/%00", b"http://other/rank", b"*", b"/rank#x", b"/r\x00nk", b"/\xff",
    b"other:80", b"",
)  # fmt: skip
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 ", b"HTTP/9", b"", b"http/1.1")
BODIES = (
    BODY, b"", BODY[:-7], BODY + BODY, b"51\r\n" + BODY + b"\r\n0\r\n\r\n", b"51\r\n" + BODY,
    b"ffffffffffffffffff\r\n" + BODY,
    b"-1\r\n" + BODY, b"zz\r\n" + BODY, b"0\r\nmore: " + b"t" * 70_000, b"{" * 30_000, b"\x00" * 30_000,
)  # fmt: skip
END = re.compile(rb"HTTP/1\.1 (\d{3}) ")
ALLOWED = {200, 307, 400, 404, 405, 408, 413, 415, 417, 422, 431, 503}

requests = st.builds(
    lambda method, target, version, length, headers, body, changes: torn(
        b" ".join((method, target, version))
        + b"\r\nHost: x\r\nContent-Type: application/json\r\n"
        + (b"" if length is None else b"Content-Length: " + length + b"\r\n")
        + b"".join(header + b"\r\n" for header in headers)
        + b"\r\n"
        + body,
        changes,
    ),
    st.just(b"POST") | st.sampled_from(METHODS),
    st.just(b"/rank") | st.sampled_from(TARGETS),
    st.just(b"HTTP/1.1") | st.sampled_from(VERSIONS),
    st.none() | st.sampled_from(LENGTHS),
    st.lists(st.sampled_from(HEADERS), max_size=3),
    st.sampled_from(BODIES),
    st.just(()) | tears,
)


@pytest.fixture(scope="module")
def client(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    line = Line(tmp_path_factory.mktemp("service") / "line", make_bundle)
    line.promote(0)
    limits = Settings(timeout_s=60.0, body_timeout_s=0.2, body_bytes=20_000, requests=4)
    with serving(line.root, limits) as client:
        yield client


def said(client: Client, sent: bytes) -> Sequence[int]:
    """The status of each answer, until the service closes; the client ends its side at once."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        received = b""
        with suppress(ConnectionError):  # closed while more was sent
            connection.sendall(sent)
            with suppress(OSError):  # reset meanwhile: what came before that can be read
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
    return [int(status) for status in END.findall(received)]


@settings(max_examples=60, phases=(Phase.explicit, Phase.generate))  # a failing one is short enough
@given(sent=requests)
@example(sent=b"")
@example(sent=b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
@example(sent=b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
def test_whatever_is_sent_gets_an_answer_or_a_closed_connection(client: Client, sent: bytes) -> None:
    asked = {100} if b"expect: 100-continue" in sent.lower() else set()
    assert set(said(client, sent)) <= ALLOWED | asked
    assert client.post("/rank", BODY)[0] == 200
