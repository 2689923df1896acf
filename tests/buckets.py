"""A small S3 for tests: lists, gives and takes the files of a folder, and misbehaves where it is told to.

Conditional writes are as S3 has them: of several writers with the same condition one wins.
"""

import hashlib
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

_TEMPORARY = ".being-written"


@dataclass
class S3:
    """The folder `root` has a folder for each bucket; the lists are what goes wrong with the next requests."""

    root: Path
    port: int = 0
    refused: list[int] = field(default_factory=list)  # statuses of the next answers
    cut: int = 0  # answers with content that break off in the middle
    unanswered: int = 0  # writes that are done, and whose answer is lost
    slow_s: float = 0.0
    # Listings that are given whatever is there, by prefix.
    frozen: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # of every request: its method and path, with the query
    dies_after: int | None = None  # writes that are still taken; then every request is refused
    # What happens before a request with these words.
    meanwhile: tuple[str, Callable[[], object]] | None = None
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)  # of uploads that are not complete
    writing: threading.Lock = field(default_factory=threading.Lock)

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

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._is_refused():
            return
        query = self._query()
        with self.s3.writing:
            if "partNumber" in query:
                self.s3.parts[query["uploadId"]][int(query["partNumber"])] = body
                self._done(200, b"", {"ETag": e_tag(body)})
            else:
                self._put(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._is_refused():
            return
        query = self._query()
        if "delete" in query:
            keys = [unescape(key) for key in re.findall("<Key>(.*?)</Key>", body.decode())]
            for file in filter(Path.is_file, map(self._file, keys)):  # a folder is no object
                file.unlink()
            deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
            self._done(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())
        elif "uploads" in query:
            name = uuid.uuid4().hex
            self.s3.parts[name] = {}
            answer = (
                f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            )
            self._give(200, answer.encode())
        else:
            with self.s3.writing:
                parts = self.s3.parts.pop(query["uploadId"])
                self._put(b"".join(parts[number] for number in sorted(parts)), complete=True)

    def do_DELETE(self) -> None:
        if not self._is_refused():
            self._file().unlink(missing_ok=True)
            self._done(204, b"")

    def _put(self, body: bytes, *, complete: bool = False) -> None:
        file, wanted = self._file(), self.headers.get("If-Match")
        there = e_tag(file.read_bytes()) if file.is_file() else None
        if self.headers.get("If-None-Match") == "*" and there is not None:
            self._give(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        elif wanted is not None and wanted != there:
            self._give(404 if there is None else 412, b"<Error><Code>PreconditionFailed</Code></Error>")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_name(f"{file.name}.{uuid.uuid4().hex}{_TEMPORARY}")
            temporary.write_bytes(body)
            temporary.replace(file)
            tag = e_tag(body)
            answer = (
                f"<CompleteMultipartUploadResult><ETag>{escape(tag)}</ETag></CompleteMultipartUploadResult>"
            )
            self._done(200, answer.encode() if complete else b"", {"ETag": tag})

    def _done(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Answer a write, unless its answer is to be lost."""
        if self.s3.unanswered:
            self.s3.unanswered -= 1
            self.close_connection = True
        else:
            self._give(status, body, headers)

    def _file(self, key: str | None = None) -> Path:
        bucket, _, own = unquote(urlsplit(self.path).path).strip("/").partition("/")
        return self.s3.root / bucket / (own if key is None else key)

    def _query(self) -> dict[str, str]:
        parts = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        return {name: values[0] for name, values in parts.items()}

    def _is_refused(self) -> bool:
        """Note the request, and refuse it where that is wanted."""
        self.s3.asked.append(f"{self.command} {self.path}")
        time.sleep(self.s3.slow_s)
        if self.s3.meanwhile is not None and self.s3.meanwhile[0] in self.path:
            (_, happen), self.s3.meanwhile = self.s3.meanwhile, None
            happen()
        if self._is_dead():
            self._give(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif self.s3.refused:
            self._give(self.s3.refused.pop(0), b"<Error><Code>Refused</Code></Error>")
        else:
            return False
        return True

    def _is_dead(self) -> bool:
        with self.s3.writing:
            if self.s3.dies_after is None:
                return False
            dead = self.s3.dies_after == 0
            if self.command == "PUT" and not dead:
                self.s3.dies_after -= 1
        return dead

    def _answer(self) -> None:
        if self._is_refused():
            return
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).strip("/").partition("/")
        if "list-type=2" in parts.query:
            self._list(self.s3.root / bucket, {name: one[0] for name, one in parse_qs(parts.query).items()})
        elif (file := self.s3.root / bucket / key).is_file():
            self._object(file)
        else:
            self._give(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _object(self, file: Path) -> None:
        content, written = file.read_bytes(), {"Last-Modified": formatdate(file.stat().st_mtime, usegmt=True)}
        tag, found = e_tag(content), re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not found:
            self._give(200, content, written | {"ETag": tag})
            return
        start, last = int(found[1]), min(int(found[2]), len(content) - 1)
        said = {"ETag": tag, "Content-Range": f"bytes {start}-{last}/{len(content)}"}
        self._give(206, content[start : last + 1], written | said)

    def _list(self, bucket: Path, query: dict[str, str]) -> None:
        prefix = query.get("prefix", "")
        if not bucket.is_dir():
            self._give(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        else:
            body = self.s3.frozen.get(prefix) or listing(bucket, prefix, query.get("delimiter"))
            self._give(200, body, {"Content-Type": "application/xml"})

    def _give(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
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
    files = sorted(
        path for path in bucket.rglob("*") if path.is_file() and not path.name.endswith(_TEMPORARY)
    )
    keys = {path.relative_to(bucket).as_posix(): path for path in files}
    contents, folders = [], set()
    for key, path in keys.items():
        if not key.startswith(prefix):
            continue
        folder, slash, _ = key.removeprefix(prefix).partition("/")
        if delimiter and slash:
            folders.add(f"{prefix}{folder}/")
            continue
        content, written = path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, UTC)
        contents.append(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{written.isoformat()}</LastModified>"
            f"<ETag>{escape(e_tag(content))}</ETag><Size>{len(content)}</Size></Contents>"
        )
    common = "".join(
        f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(contents)}{common}</ListBucketResult>".encode()
