"""A line of models whose towers are one matrix product, and the service over it, in a thread of this process."""

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from mtmd.logs.encoding import EncodedAds, encode, table_from_rows
from mtmd.registry.bundle import load_bundle
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.http.app import Observer, create_app
from mtmd.serve.http.intake import Settings
from mtmd.serve.published import publish_ads
from mtmd.serve.scorer import Scorer
from mtmd.store.files import write_json
from tests.serve.conftest import MakeBundle, declarations, make_bundle  # noqa: F401 - fixtures

DAY = date(2026, 1, 21)
ADS = [
    {"ad_id": 7, "product": "standard", "bid": 1.0, "age": 0.5},
    {"ad_id": 3, "product": "standard", "bid": 2.0, "age": -1.0},
    {"ad_id": 9, "product": "shopping", "bid": 0.5, "age": 2.0},
    {"ad_id": 1, "product": "shopping", "bid": 3.0, "age": 0.0},
]


@dataclass
class Line:
    """One line's directory: models are `0`, `1`, …, whose bundle ids are that digit, 64 times."""

    root: Path
    make: MakeBundle

    @property
    def registry(self) -> Registry:
        return Registry(self.root)

    def promote(self, number: int, *, publish: bool = True, **bundle: Any) -> str:
        """A model's id, which is live now."""
        model = self.candidate(number, publish=False, **bundle)
        champion = self.registry.champion()
        day = DAY + timedelta(days=number)
        self.registry.promote(model, day, "good", champion.sequence if champion else 0)
        if publish:
            self.publish(model, day)
        return model

    def candidate(self, number: int, *, publish: bool = True, made: Path | None = None, **bundle: Any) -> str:
        """A model's id, which is not live; of a bundle that was `made` elsewhere, or of one that is made here."""
        model, day = f"model-{number}", DAY + timedelta(days=number)
        made = self.make(f"{number}" * 64, **bundle) if made is None else made
        bundle_id = load_bundle(made).bundle_id

        def build(directory: Path) -> None:
            shutil.copytree(made, directory, dirs_exist_ok=True)
            write_json(directory / "metrics.json", {})

        manifest = ModelManifest(
            model_id=model, as_of=day, bundle_id=bundle_id, window={}, git_commit=None, seeds={}, packages={}
        )
        self.registry.add(build, manifest)
        if publish:
            self.publish(model, day)
        return model

    def publish(self, model: str, day: date, ads: list[dict[str, Any]] = ADS) -> None:
        scorer, catalogue = Scorer.load(self.registry.path(model)), Catalogue(self.root)
        schema = scorer.info.declarations.item
        parts = []
        for product in schema.domains:
            own = [ad for ad in ads if ad["product"] == product]
            rows = encode(table_from_rows(own, schema), schema, 0)
            bids = np.array([ad["bid"] for ad in own], np.float32)
            parts.append(EncodedAds(product, np.array([ad["ad_id"] for ad in own]), rows, bids))
        current = Current(name=f"{day}-{'0' * 16}", day=day, ads=len(ads))
        publish_ads(scorer, parts, catalogue.path(model, current.name))
        catalogue.serve(model, current)


@dataclass(frozen=True)
class Client:
    port: int

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """The body as JSON, or bytes as they are."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, content = self.send("POST", path, sent, JSON)
        return status, json.loads(content)

    def get(self, path: str) -> tuple[int, Any]:
        status, _, content = self.send("GET", path)
        return status, json.loads(content)

    def raw(self, sent: bytes) -> bytes:
        """What comes back until the service closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(sent)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received


@contextmanager
def serving(root: Path, settings: Settings, observers: Sequence[Observer] = ()) -> Iterator[Client]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = create_app(root, settings, observers)
        config = uvicorn.Config(app, http="h11", ws="none", log_config=None, timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield Client(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def ready(process: "subprocess.Popen[bytes]", log: Path) -> Client:
    """Of a process that says where it runs."""
    deadline = time.monotonic() + 60
    while not (found := re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return Client(int(found[1]))


def until(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def line(make_bundle: MakeBundle, tmp_path: Path) -> Line:  # noqa: F811
    """Without any model."""
    return Line(tmp_path / "line", make_bundle)


# A client of a busy machine may stand still for seconds.
SETTINGS = Settings(
    poll_s=0.02, timeout_s=60, body_timeout_s=60, body_bytes=20_000, requests=4, ads=100, top_k=50
)
HURRIED = SETTINGS.model_copy(update={"body_timeout_s": 0.5})
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:  # noqa: F811
    """Of a service with model 0; shared, since nothing that a client sends changes it."""
    line = Line(tmp_path_factory.mktemp("service") / "line", make_bundle)
    line.promote(0)
    with serving(line.root, SETTINGS) as client:
        yield client
