"""A small S3 for tests: lists, gives and takes the files of a folder, and misbehaves where it is told to.

Conditional writes are as S3 has them: of several writers with the same condition one wins.
`python -m tests.buckets FOLDER` serves a folder, and prints the port.
"""

import hashlib
import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

_TEMPORARY = ".being-written"
_PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NO_BUCKET, _NO_KEY = (
    f"{_PROLOG}<Error><Code>NoSuch{what}</Code></Error>".encode() for what in ("Bucket", "Key")
)


@dataclass
class _Awaited:
    """Something that happens before a request."""

    words: str
    happen: Callable[[], object]
    left: int


@dataclass
class S3:
    """The folder `root` has a folder for each bucket; the lists are what goes wrong with the next requests."""

    root: Path
    port: int = 0
    refused: list[int] = field(default_factory=list)  # statuses of the next answers
    cut: int = 0  # answers with content that break off in the middle
    torn: int = 0  # uploads of which half is taken before the connection ends
    unanswered: int = 0  # writes that are done, and whose answer is lost
    # Listings that are given whatever is there, by prefix.
    frozen: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # of every request: its method and path, with the query
    dies_after: int | None = None  # writes that are still taken; then every request is refused
    awaited: list[_Awaited] = field(default_factory=list)
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


def e_tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _tag_of(path: Path) -> str:
    status = path.stat()
    version = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return f'"{_md5(path, version)}"'


@lru_cache(maxsize=1 << 16)
def _md5(path: Path, _version: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


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
    """An S3 on a free port of this machine."""
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
    protocol_version = "HTTP/1.1"
    s3: S3

    def log_message(self, *_: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        if self._is_torn():
            return
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

    def _is_torn(self) -> bool:
        """Whether the connection ends in the middle of an upload."""
        size = int(self.headers.get("Content-Length") or 0)
        with self.s3.writing:
            torn = self.s3.torn > 0 and size > 1
            self.s3.torn -= torn
        if torn:
            self.s3.note(f"torn {self.path}")
            self.rfile.read(size // 2)
            self.close_connection = True
        return torn

    def _put(self, body: bytes, *, complete: bool = False) -> None:
        file, wanted = self._file(), self.headers.get("If-Match")
        there = _tag_of(file) if file.is_file() else None
        if not self._bucket().is_dir():
            self._give(404, _NO_BUCKET)
        elif self.headers.get("If-None-Match") == "*" and there is not None:
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

    def _bucket(self) -> Path:
        return self.s3.root / unquote(urlsplit(self.path).path).strip("/").partition("/")[0]

    def _file(self, key: str | None = None) -> Path:
        bucket, _, own = unquote(urlsplit(self.path).path).strip("/").partition("/")
        return self.s3.root / bucket / (own if key is None else key)

    def _query(self) -> dict[str, str]:
        parts = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        return {name: values[0] for name, values in parts.items()}

    def _is_refused(self) -> bool:
        """Note the request, and refuse it where that is wanted."""
        self.s3.note(f"{self.command} {self.path}")
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
            self._give(404, _NO_KEY if self._bucket().is_dir() else _NO_BUCKET)

    def _object(self, file: Path) -> None:
        content, written = file.read_bytes(), {"Last-Modified": formatdate(file.stat().st_mtime, usegmt=True)}
        tag = _tag_of(file)
        found = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if not found:
            self._give(200, content, written | {"ETag": tag})
            return
        start, last = int(found[1]), min(int(found[2]), len(content) - 1)
        said = {"ETag": tag, "Content-Range": f"bytes {start}-{last}/{len(content)}"}
        self._give(206, content[start : last + 1], written | said)

    def _list(self, bucket: Path, query: dict[str, str]) -> None:
        prefix = query.get("prefix", "")
        if not bucket.is_dir():
            self._give(404, _NO_BUCKET)
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
        status = path.stat()
        written = datetime.fromtimestamp(status.st_mtime, UTC)
        contents.append(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{written.isoformat()}</LastModified>"
            f"<ETag>{escape(_tag_of(path))}</ETag><Size>{status.st_size}</Size></Contents>"
        )
    common = "".join(
        f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(contents)}{common}</ListBucketResult>".encode()


def main() -> None:
    """Serve a folder until the process is ended."""
    with serving(Path(sys.argv[1])) as s3:
        print(s3.port, flush=True)  # noqa: T201 - for whoever started it
        threading.Event().wait()


if __name__ == "__main__":
    main()
