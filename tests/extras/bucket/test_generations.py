"""A store that replaces objects by their generation, as Google Cloud Storage does; the real one was not tried."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mtmd.extras.bucket.objects import Bucket, ObjectPath


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[bytes, int]]  # content and generation by path

    def log_message(self, *_: object) -> None:
        return

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        _, generation = self.objects.get(self.path, (b"", 0))
        if self.headers.get("x-goog-if-generation-match") not in {None, str(generation)}:
            self._give(412)
        else:
            self.objects[self.path] = content, generation + 1
            self._give(200, generation=generation + 1)

    def do_GET(self) -> None:
        if self.path in self.objects:
            self._give(200, *self.objects[self.path])
        else:
            self._give(404)

    def do_DELETE(self) -> None:
        self._give(404 if self.objects.pop(self.path, None) is None else 204)

    def _give(self, status: int, content: bytes = b"", generation: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if generation:
            self.send_header("ETag", f'"tag-{generation}"')
            self.send_header("x-goog-generation", str(generation))
            self.send_header("Last-Modified", "Wed, 21 Jan 2026 07:28:00 GMT")
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def root() -> Iterator[ObjectPath]:
    store = pytest.importorskip("obstore.store", reason="obstore is not installed: buckets can't be tried")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"objects": {}}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    account = {
        "gcs_base_url": f"http://127.0.0.1:{server.server_port}",
        "disable_oauth": True,
        **dict.fromkeys(("client_email", "private_key", "private_key_id"), ""),
    }
    opened = store.GCSStore(
        "data", service_account_key=json.dumps(account), client_options={"allow_http": True}
    )
    yield ObjectPath(Bucket("gs://data", opened))
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_object_is_replaced_by_its_generation(root: ObjectPath) -> None:
    place = root / "pointer.json"
    assert place.replace(b"1", None)
    assert not place.replace(b"2", None)
    seen = place.content()
    assert seen is not None
    assert seen.version == "1"
    assert place.replace(b"2", seen)
    assert not place.replace(b"3", seen)
    now = place.content()
    assert now is not None
    assert now.bytes == b"2"


def test_removing_what_is_not_there_is_no_error(root: ObjectPath) -> None:
    (root / "a").put(b"1")
    root.delete(["none", "a"])
    assert (root / "a").content() is None
