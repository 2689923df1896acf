"""A small S3 for tests: lists, gives and takes the files of a folder, and misbehaves where it is told to.

Conditional writes are as S3 has them: of several writers with the same condition one wins.
"""

import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

_TEMPORARY = ".being-written"


@dataclass
class _Awaited:
    """Something that happens before a request."""

    words: str
    happen: Callable[[], object]
    left: int


@dataclass
class S3:
    """The folder `root` has a folder for each bucket; the other fields are what goes wrong with the next requests."""

    root: Path
    port: int = 0
    refused: list[int] = field(default_factory=list)  # statuses of the next answers
    cut: int = 0  # answers with content that break off in the middle
    unanswered: int = 0  # writes that are done, and whose answer is lost
    # Listings that are given whatever is there, by prefix.
    frozen: dict[str, bytes] = field(default_factory=dict)
    dies_after: int | None = None  # writes that are still taken; then every request is refused
    asked: list[str] = field(default_factory=list)  # of every request: its method and path, with the query
    awaited: list[_Awaited] = field(default_factory=list)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)  # of uploads that are not complete
    writing: threading.Lock = field(default_factory=threading.Lock)

    def path(self, url: str) -> Path:
        return self.root / url.removeprefix("s3://")

    @property
    def environment(self) -> dict[str, str]:
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

    def at(self, words: str, happen: Callable[[], object], nth: int = 1) -> None:
        """Let something happen before the nth request from now on whose method and path match a pattern."""
        with self.writing:
            self.awaited.append(_Awaited(words, happen, nth))

    def note(self, request: str) -> None:
        """A request has come: let happen what was to happen before it."""
        with self.writing:
            self.asked.append(request)
            found = [one for one in self.awaited if re.search(one.words, request)]
            for one in found:
                one.left -= 1
            due = [one for one in found if one.left == 0]
            self.awaited = [one for one in self.awaited if one.left > 0]
        for one in due:
            one.happen()

    def refusal(self, method: str) -> int | None:
        """The status of a request that is refused."""
        with self.writing:
            if self.dies_after == 0:
                return 403
            if self.dies_after is not None and method == "PUT":
                self.dies_after -= 1
            return self.refused.pop(0) if self.refused else None


def hurry() -> None:
    """Let this process repeat requests without long pauses."""
    from mtmd.extras.bucket import objects  # noqa: PLC0415 - the S3 itself needs none of it

    objects._PAUSE_S = 0.001
    objects._RETRIES["backoff"] = {
        "init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=5), "base": 2.0
    }  # fmt: skip
    objects.opened.cache_clear()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked may have died meanwhile."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(root: Path) -> Iterator[S3]:
    s3 = S3(root)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"s3": s3}))
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
    """`_read`, `_write` and `_change` answer the requests that are not refused."""

    protocol_version = "HTTP/1.1"
    s3: S3

    def log_message(self, *_: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._unless_refused(self._read)

    def do_GET(self) -> None:
        self._unless_refused(self._read)

    def do_PUT(self) -> None:
        self._unless_refused(self._write)

    def do_POST(self) -> None:
        self._unless_refused(self._change)

    def _unless_refused(self, answer: Callable[[bytes], None]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.s3.note(f"{self.command} {self.path}")
        if (status := self.s3.refusal(self.command)) is not None:
            self._give(status, b"<Error><Code>Refused</Code></Error>")
        elif not self._bucket.is_dir():
            self._give(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        else:
            answer(body)

    @property
    def _way(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")

    @property
    def _bucket(self) -> Path:
        return self.s3.root / self._way.partition("/")[0]

    @property
    def _query(self) -> dict[str, str]:
        parts = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        return {name: values[0] for name, values in parts.items()}

    def _read(self, _: bytes) -> None:
        query = self._query
        file, prefix = self.s3.root / self._way, query.get("prefix", "")
        if "list-type" in query:
            self._give(
                200, self.s3.frozen.get(prefix) or listing(self._bucket, prefix, query.get("delimiter"))
            )
        elif file.is_file():
            written = formatdate(file.stat().st_mtime, usegmt=True)
            self._give(200, file.read_bytes(), {"Last-Modified": written, "ETag": _tag(file)})
        else:
            self._give(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _write(self, body: bytes) -> None:
        query = self._query
        with self.s3.writing:
            if "partNumber" in query:
                self.s3.parts[query["uploadId"]][int(query["partNumber"])] = body
                self._done(b"", {"ETag": '"part"'})
            else:
                self._put(body)

    def _change(self, body: bytes) -> None:
        query = self._query
        if "delete" in query:
            self._remove(body)
        elif "uploads" in query:
            name = uuid.uuid4().hex
            self.s3.parts[name] = {}
            begun = f"<UploadId>{name}</UploadId>"
            self._give(
                200, f"<InitiateMultipartUploadResult>{begun}</InitiateMultipartUploadResult>".encode()
            )
        else:
            with self.s3.writing:
                parts = self.s3.parts.pop(query["uploadId"])
                done = b"<CompleteMultipartUploadResult><ETag>whole</ETag></CompleteMultipartUploadResult>"
                self._put(b"".join(parts[number] for number in sorted(parts)), done)

    def _put(self, content: bytes, answer: bytes = b"") -> None:
        """Callers hold the lock."""
        file, wanted = self.s3.root / self._way, self.headers.get("If-Match")
        there = _tag(file) if file.is_file() else None
        if self.headers.get("If-None-Match") == "*" and there is not None:
            self._give(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        elif wanted is not None and wanted != there:
            self._give(404 if there is None else 412, b"<Error><Code>PreconditionFailed</Code></Error>")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_name(f"{file.name}.{uuid.uuid4().hex}{_TEMPORARY}")
            temporary.write_bytes(content)
            temporary.replace(file)
            self._done(answer, {"ETag": _tag(file)})

    def _done(self, body: bytes, headers: dict[str, str]) -> None:
        """Answer a write, unless its answer is to be lost."""
        if self.s3.unanswered:
            self.s3.unanswered -= 1
            self.close_connection = True
        else:
            self._give(200, body, headers)

    def _remove(self, body: bytes) -> None:
        keys = [unescape(key) for key in re.findall("<Key>(.*?)</Key>", body.decode())]
        for file in filter(Path.is_file, (self._bucket / key for key in keys)):  # a folder is no object
            file.unlink()
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self._give(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def _give(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.s3.cut and status == 200 and len(body) > 1:
            self.s3.cut -= 1
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(body)


def _tag(path: Path) -> str:
    """An e-tag: another one whenever the file was written."""
    status = path.stat()
    return f'"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"'


def listing(bucket: Path, prefix: str, delimiter: str | None = None) -> bytes:
    above = bucket / prefix.rpartition("/")[0]
    files = sorted(path for path in above.rglob("*") if path.is_file() and not path.name.endswith(_TEMPORARY))
    keys = {path.relative_to(bucket).as_posix(): path for path in files}
    contents, folders = [], set()
    for key, path in keys.items():
        if not key.startswith(prefix):
            continue
        folder, slash, _ = key.removeprefix(prefix).partition("/")
        if delimiter and slash:
            folders.add(f"{prefix}{folder}/")
            continue
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        contents.append(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{written.isoformat()}</LastModified>"
            f"<ETag>{escape(_tag(path))}</ETag><Size>{path.stat().st_size}</Size></Contents>"
        )
    common = "".join(
        f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(contents)}{common}</ListBucketResult>".encode()
