"""OpenLineage events: what they say, how datasets are named, and that each is delivered."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Preset, SourcesConfig
from mtmd.extras.mirrors.events import (
    Dataset,
    Event,
    completed,
    ended,
    keep,
    log_tables,
    send,
    started,
    stored,
)
from mtmd.extras.mirrors.stage import mirror
from tests.extras.mirrors.conftest import Mirrored
from tests.inspect.conftest import FIRST

RUN = "0198c1de-0000-7000-8000-000000000001"
AT = datetime(2026, 1, 26, 3, 15, 0, 123456, UTC)
DAYS = tuple(date(2026, 1, day) for day in (22, 23, 24, 25))
PG = {"kind": "postgresql", "connection": "ADS_DATABASE", "table": "ads", "day_column": "day"}
ICEBERG = {"kind": "iceberg", "table": "lake.ads", "day_column": "day"}
DELTA = {"kind": "delta", "day_column": "day"}


def events_of(mirrored: Mirrored, *, promoted: bool = True) -> list[Event]:
    """Of a run that begins, decides and fails."""
    preset = mirrored.preset
    manifest = mirrored.told(0).manifest
    assert manifest is not None
    after = AT.replace(hour=4)
    return [
        started(RUN, AT, FIRST, preset, "logs"),
        completed(RUN, after, preset, "logs", mirrored.workspace, manifest, promoted=promoted),
        ended("FAIL", RUN, AT.replace(hour=5), FIRST, preset, "x" * 3000),
    ]


def test_a_run_begins_with_the_tables_and_their_columns(mirrored: Mirrored) -> None:
    event = events_of(mirrored)[0]
    assert (event["eventType"], event["eventTime"]) == ("START", "2026-01-26T03:15:00.123+00:00")
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert (event["job"]["namespace"], event["job"]["name"]) == ("mtmd", "tiny.daily-retrain")
    nominal = event["run"]["facets"]["nominalTime"]
    assert nominal["nominalStartTime"] == "2026-01-25T00:00:00+00:00"
    assert nominal["nominalEndTime"] == "2026-01-26T00:00:00+00:00"
    assert [Path(one["name"]).name for one in event["inputs"]] == ["requests", "ads", "candidates"]
    schema = event["inputs"][0]["facets"]["schema"]
    assert {"name": "request_id", "type": "BIGINT"} in schema["fields"]
    assert (schema["_producer"], schema["_schemaURL"]) == (
        event["producer"],
        "https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
    )


def test_a_run_ends_with_its_days_and_the_model(mirrored: Mirrored) -> None:
    event = events_of(mirrored)[1]
    for one in event["inputs"]:
        partitions = one["inputFacets"]["subset"]["inputCondition"]["partitions"]
        assert [part["identifier"] for part in partitions] == [f"date={day}" for day in DAYS]
    root = mirrored.workspace.root
    assert [one["name"] for one in event["outputs"]] == [str(root / "models"), str(root / "champion.json")]
    assert {one["facets"]["version"]["datasetVersion"] for one in event["outputs"]} == {"a1"}
    kept = events_of(mirrored, promoted=False)[1]
    assert [Path(one["name"]).name for one in kept["outputs"]] == ["models"]


def test_a_failure_says_why(mirrored: Mirrored) -> None:
    error = events_of(mirrored)[2]["run"]["facets"]["errorMessage"]
    assert (error["message"], error["programmingLanguage"]) == ("x" * 2000, "PYTHON")


@pytest.mark.parametrize(
    ("logs", "source", "expected"),
    [
        ("{here}", {}, [("file", "{here}/ads")]),
        ("{here}", {"files": "raw/{day}/ads.parquet"}, [("file", "{here}/raw")]),
        ("{here}", {"files": "{day}/ads.parquet"}, [("file", "{here}/{day}/ads.parquet")]),
        ("{here}", {"files": "/data/year={day:%Y}/m={day:%m}/d={day:%d}/*.parquet"}, [("file", "/data")]),
        ("{here}", PG, [("postgresql", "ads")]),
        ("{here}", ICEBERG | {"catalog": "prod"}, [("iceberg", "lake.ads")]),
        ("{here}", DELTA | {"path": "s3://bucket/lake/ads"}, [("delta", "s3://bucket/lake/ads")]),
        ("s3://logs/team/", {}, [("s3://logs", "team/ads")]),
        ("s3://logs/team/", {"files": "s3://other/raw/{day}/ads.parquet"}, [("s3://other", "raw")]),
    ],
)
def test_a_table_is_named_by_where_it_is(
    tiny_preset: Preset, tmp_path: Path, logs: str, source: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    here = str(tmp_path)
    preset = tiny_preset.model_copy(update={"sources": SourcesConfig.model_validate({"ads": source})})
    found = log_tables(preset, logs.replace("{here}", here))["ads"]
    assert found == tuple(Dataset(namespace, name.replace("{here}", here)) for namespace, name in expected)


def test_artifacts_in_a_bucket_have_one_name_on_all_machines(machine: Callable[[str], Path]) -> None:
    assert stored(machine("a") / "models") == stored(machine("b") / "models")
    assert stored(machine("a") / "models") == Dataset("s3://art", "team/line/models")


class Sink(ThreadingHTTPServer):
    """Takes events, or answers with a status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.got: list[tuple[str, str | None, Event]] = []
        self.statuses: list[int] = []


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
def sink(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A server that the environment names; three events wait."""
    for event in reversed(events_of(mirrored)):
        keep(mirrored.workspace, event)
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("OPENLINEAGE_API_KEY", "k")
        yield server
        server.shutdown()
        thread.join()


def test_events_are_sent_in_their_order_and_once(mirrored: Mirrored, sink: Sink) -> None:
    assert send(mirrored.workspace, mirrored.preset) == ("3 events were sent", True)
    assert send(mirrored.workspace, mirrored.preset) == ("0 events were sent", True)
    assert {(path, key) for path, key, _ in sink.got} == {("/api/v1/lineage", "Bearer k")}
    assert [event for _, _, event in sink.got] == events_of(mirrored)


def test_an_event_that_is_refused_does_not_hold_up_the_others(mirrored: Mirrored, sink: Sink) -> None:
    sink.statuses = [422]
    words, current = send(mirrored.workspace, mirrored.preset)
    assert not current
    assert words.startswith(
        f"2 events were sent; the server refuses 2026-01-26T031500.123+0000-START-{RUN}.json"
    )
    assert send(mirrored.workspace, mirrored.preset)[1]
    assert [event["eventType"] for _, _, event in sink.got] == ["START", "COMPLETE", "FAIL", "START"]


def test_wrong_credentials_stop_it_and_nothing_is_lost(mirrored: Mirrored, sink: Sink) -> None:
    sink.statuses = [401]
    state, _ = mirror(mirrored.workspace, mirrored.preset)
    assert (state.name, state.current, "401" in state.words) == ("openlineage", False, True)
    assert len(sink.got) == 1
    assert mirror(mirrored.workspace, mirrored.preset)[0].current
    assert len(sink.got) == 4
