"""A small S3 for tests: lists and gives the files of a folder, and misbehaves where it is told to."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass
class S3:
    """The folder `root` has a folder for each bucket; the lists are what goes wrong with the next requests."""

    root: Path
    port: int = 0
    refused: list[int] = field(default_factory=list)  # statuses of the next answers
    cut: int = 0  # answers with content that break off in the middle
    slow_s: float = 0.0
    frozen: dict[str, bytes] = field(
        default_factory=dict
    )  # listings that are given whatever is there, by prefix
    asked: list[str] = field(default_factory=list)  # of every request: its method and path, with the query

    def path(self, url: str) -> Path:
        return self.root / url.removeprefix("s3://")

    @property
    def environment(self) -> dict[str, str]:
        """The variables that say where this S3 is."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }

    def put(self, url: str, content: bytes) -> None:
        path = self.path(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def count(self, words: str) -> int:
        return sum(words in line for line in self.asked)


def e_tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@contextmanager
def serving(root: Path) -> Iterator[S3]:
    """An S3 on a free port of this machine."""
    s3 = S3(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"s3": s3}))
    s3.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield s3
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3: S3

    def log_message(self, *_: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.s3.asked.append(f"{self.command} {self.path}")
        time.sleep(self.s3.slow_s)
        if self.s3.refused:
            self._give(self.s3.refused.pop(0), b"<Error><Code>Refused</Code></Error>")
            return
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).strip("/").partition("/")
        if "list-type=2" in parts.query:
            self._list(self.s3.root / bucket, {name: one[0] for name, one in parse_qs(parts.query).items()})
        elif (file := self.s3.root / bucket / key).is_file():
            self._object(file.read_bytes())
        else:
            self._give(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _object(self, content: bytes) -> None:
        tag, found = e_tag(content), re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not found:
            self._give(200, content, {"ETag": tag})
            return
        start, last = int(found[1]), min(int(found[2]), len(content) - 1)
        said = {"ETag": tag, "Content-Range": f"bytes {start}-{last}/{len(content)}"}
        self._give(206, content[start : last + 1], said)

    def _list(self, bucket: Path, query: dict[str, str]) -> None:
        prefix = query.get("prefix", "")
        if not bucket.is_dir():
            self._give(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        else:
            body = self.s3.frozen.get(prefix) or listing(bucket, prefix, query.get("delimiter"))
            self._give(200, body, {"Content-Type": "application/xml"})

    def _give(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Last-Modified": "Mon, 05 Jan 2026 00:00:00 GMT",
            "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.s3.cut and status in {200, 206} and len(body) > 1:
            self.s3.cut -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(body)


def listing(bucket: Path, prefix: str, delimiter: str | None = None) -> bytes:
    """The XML of a listing of a bucket's folder."""
    files = sorted(path for path in bucket.rglob("*") if path.is_file())
    keys = {path.relative_to(bucket).as_posix(): path for path in files}
    contents, folders = [], set()
    for key, path in keys.items():
        if not key.startswith(prefix):
            continue
        folder, slash, _ = key.removeprefix(prefix).partition("/")
        if delimiter and slash:
            folders.add(f"{prefix}{folder}/")
            continue
        content = path.read_bytes()
        contents.append(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-05T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(e_tag(content))}</ETag><Size>{len(content)}</Size></Contents>"
        )
    common = "".join(
        f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(contents)}{common}</ListBucketResult>".encode()
