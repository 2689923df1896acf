"""Events wait in files; those tests that send them need the client, which is optional."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mtmd.extras.mirrors.events import Event, completed, ended, started
from mtmd.extras.mirrors.outbox import keep, send
from mtmd.extras.mirrors.stage import mirror
from mtmd.extras.mirrors.state import MirrorError
from tests.extras.mirrors.conftest import Mirrored
from tests.extras.mirrors.test_events import AT, RUN

INSTALLED = find_spec("openlineage") is not None
client = pytest.mark.skipif(not INSTALLED, reason="pip install -e '.[openlineage]' brings it")
MODULES = {  # the client's generated classes, by the facet's name
    "nominalTime": "nominal_time_run.NominalTimeRunFacet",
    "errorMessage": "error_message_run.ErrorMessageRunFacet",
    "tags": "tags_run.TagsRunFacet",
    "jobType": "job_type_job.JobTypeJobFacet",
    "documentation": "documentation_job.DocumentationJobFacet",
    "schema": "schema_dataset.SchemaDatasetFacet",
    "version": "dataset_version_dataset.DatasetVersionDatasetFacet",
}


class Sink(ThreadingHTTPServer):
    """Takes events, or answers with a status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.got: list[tuple[str, str | None, Event]] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Taker(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.got.append((self.path, self.headers.get("authorization"), event))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 201)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        _address(monkeypatch, {"type": "http", "url": server.url, "auth": {"type": "api_key", "apiKey": "k"}})
        yield server
        server.shutdown()
        thread.join()


def test_a_kept_event_is_the_file_that_is_sent(mirrored: Mirrored) -> None:
    event = started(RUN, AT, date(2026, 1, 25), mirrored.preset, "logs")
    path = keep(mirrored.workspace, event)
    assert path.name == f"2026-01-26T031500.123+0000-START-{RUN}.json"
    assert json.loads(path.read_text()) == event
    assert keep(mirrored.workspace, event) == path  # noted twice, it is sent once


@pytest.mark.skipif(INSTALLED, reason="the client is installed")
def test_without_the_client_an_event_waits_and_the_state_says_how_to_install_it(mirrored: Mirrored) -> None:
    path = keep(mirrored.workspace, _failed(mirrored))
    (state,) = mirror(mirrored.workspace, mirrored.preset, names=("openlineage",))
    assert not state.current
    assert "openlineage is not installed" in state.words
    assert "pip install 'mtmd[openlineage]'" in state.words
    assert path.is_file()


@client
def test_events_are_sent_in_their_order_and_once(mirrored: Mirrored, sink: Sink) -> None:
    events = _events(mirrored)
    for event in reversed(events):
        keep(mirrored.workspace, event)
    assert send(mirrored.workspace) == ("all events are sent, 3 of them now", True)
    assert send(mirrored.workspace) == ("all events are sent, 0 of them now", True)
    assert [event["eventType"] for _, _, event in sink.got] == ["START", "COMPLETE", "FAIL"]
    assert {(path, key) for path, key, _ in sink.got} == {("/api/v1/lineage", "Bearer k")}
    assert [event for _, _, event in sink.got] == events


@client
def test_an_event_that_is_refused_does_not_hold_up_the_others(mirrored: Mirrored, sink: Sink) -> None:
    for event in _events(mirrored):
        keep(mirrored.workspace, event)
    sink.statuses = [422]
    words, current = send(mirrored.workspace)
    assert not current
    assert words.startswith("2 events were sent; 1 wait (refused: 422")
    assert send(mirrored.workspace)[1]
    assert [event["eventType"] for _, _, event in sink.got] == ["START", "COMPLETE", "FAIL", "START"]


@client
@pytest.mark.parametrize("content", [b"", b'{"eventType": "STA', b"\xff\x00"])
def test_an_event_whose_file_was_damaged_does_not_hold_up_the_others(
    mirrored: Mirrored, sink: Sink, content: bytes
) -> None:
    first, *_ = [keep(mirrored.workspace, event) for event in _events(mirrored)]
    first.write_bytes(content)
    words, current = send(mirrored.workspace)
    assert not current
    assert words.startswith(f"2 events were sent; 1 wait (refused: {first} is not valid JSON")
    assert [event["eventType"] for _, _, event in sink.got] == ["COMPLETE", "FAIL"]
    assert first.is_file()


@client
def test_wrong_credentials_stop_it_and_nothing_is_lost(mirrored: Mirrored, sink: Sink) -> None:
    for event in _events(mirrored):
        keep(mirrored.workspace, event)
    sink.statuses = [401]
    (state,) = mirror(mirrored.workspace, mirrored.preset, names=("openlineage",))
    assert (state.current, "401" in state.words) == (False, True)
    assert len(sink.got) == 1
    (state,) = mirror(mirrored.workspace, mirrored.preset, names=("openlineage",))
    assert (state.current, len(sink.got)) == (True, 4)


@client
def test_a_file_gets_a_line_for_each_event(
    mirrored: Mirrored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "events.ndjson"
    _address(monkeypatch, {"type": "file", "log_file_path": str(place), "append": True})
    for event in (events := _events(mirrored)):
        keep(mirrored.workspace, event)
    assert send(mirrored.workspace)[1]
    assert [json.loads(line) for line in place.read_text().splitlines()] == events


@client
def test_without_an_address_nothing_is_printed_and_the_error_names_the_variables(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _address(monkeypatch, None)
    path = keep(mirrored.workspace, _failed(mirrored))
    with pytest.raises(MirrorError, match="OPENLINEAGE_URL, OPENLINEAGE__TRANSPORT or OPENLINEAGE_CONFIG"):
        send(mirrored.workspace)
    assert path.is_file()
    assert capsys.readouterr().out == ""


@client
def test_every_facet_is_one_of_the_clients_own_with_its_version(mirrored: Mirrored) -> None:
    """The client's classes are generated from the specification's JSON schemas."""
    seen = set()
    for event in _events(mirrored):
        for name, facet in _facets(event):
            own = dict(facet)
            url, producer = own.pop("_schemaURL"), own.pop("_producer")
            made = _class(name, url)(**own, producer=producer)
            assert made._schemaURL == url
            seen.add(name)
    assert seen == {*MODULES, "subset"}


def _class(name: str, url: str) -> Any:
    path = MODULES.get(name) or f"base_subset_dataset.{url.rpartition('/')[2]}"
    module, _, title = path.partition(".")
    return getattr(import_module(f"openlineage.client.generated.{module}"), title)


def _facets(event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from event["run"]["facets"].items()
    yield from event["job"]["facets"].items()
    for one in (*event["inputs"], *event["outputs"]):
        for group in ("facets", "inputFacets", "outputFacets"):
            yield from one.get(group, {}).items()


def _events(mirrored: Mirrored) -> list[Event]:
    first, after = date(2026, 1, 25), AT.replace(hour=4)
    places = (mirrored.preset, "logs", mirrored.workspace, mirrored.runs[0])
    return [
        started(RUN, AT, first, mirrored.preset, "logs"),
        completed(RUN, after, *places),
        _failed(mirrored),
    ]


def _failed(mirrored: Mirrored) -> Event:
    return ended("FAIL", RUN, AT.replace(hour=5), date(2026, 1, 25), mirrored.preset, "the logs are missing")


def _address(monkeypatch: pytest.MonkeyPatch, transport: dict[str, Any] | None) -> None:
    for name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT"):
        monkeypatch.delenv(name, raising=False)
    if transport is not None:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
