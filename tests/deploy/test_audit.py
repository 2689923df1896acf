"""`make audit`, with pip-audit itself and a source of advisories on this machine."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

from deploy import audit
from mtmd.errors import ConfigError

_OLD = ("django", "2.2")


class _Source(ThreadingHTTPServer):
    """An OSV server that knows what `vulnerable` names: (name, version) → the version that mends it."""

    vulnerable: dict[tuple[str, str], str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/query"


class _Answers(BaseHTTPRequestHandler):
    server: _Source

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, version = asked["package"]["name"], asked["version"]
        mended = self.server.vulnerable.get((name, version))
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": mended}]}]
        affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}]
        known = {"vulns": [{"id": "PYSEC-2026-1", "summary": "bad", "affected": affected}]} if mended else {}
        content = json.dumps(known).encode()
        self.send_response(200)
        self.send_header("Content-Length", f"{len(content)}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""


@pytest.fixture
def source() -> Iterator[_Source]:
    with _Source(("127.0.0.1", 0), _Answers) as server:
        server.vulnerable = {_OLD: "2.2.28"}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def constraints(tmp_path: Path) -> Path:
    path = tmp_path / "constraints.txt"
    path.write_text("# a comment\n\ntorch>=2.9\nJinja2==3.1.0  # another\n")
    return path


def _audit(constraints: Path, url: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = audit.main(["--constraints", f"{constraints}", "--source", "osv", "--osv-url", url])
    return status, capsys.readouterr().out


def test_pins_without_an_advisory_pass(
    constraints: Path, source: _Source, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = _audit(constraints, source.url, capsys)
    assert said == "2 of 2 pinned versions were checked: no known advisory\n"
    assert status == audit.CLEAN


def test_an_advisory_is_named_with_the_version_that_mends_it(
    constraints: Path, source: _Source, capsys: pytest.CaptureFixture[str]
) -> None:
    source.vulnerable[("jinja2", "3.1.0")] = "3.1.6"
    status, said = _audit(constraints, source.url, capsys)
    assert said == (
        "✗ jinja2 3.1.0: PYSEC-2026-1; mended in 3.1.6\n2 of 2 pinned versions were checked: 1 known advisory\n"
    )
    assert status == audit.ADVISORIES


def test_a_source_that_is_not_there_checks_nothing(
    constraints: Path, source: _Source, capsys: pytest.CaptureFixture[str]
) -> None:
    source.shutdown()
    source.server_close()
    status, said = _audit(constraints, source.url, capsys)
    assert said.startswith("no answer from osv: ")
    assert "Nothing was checked: no source of advisories" in said
    assert status == audit.NOT_CHECKED


def test_a_source_that_knows_no_advisory_at_all_is_not_believed(
    constraints: Path, source: _Source, capsys: pytest.CaptureFixture[str]
) -> None:
    source.vulnerable.clear()
    status, said = _audit(constraints, source.url, capsys)
    assert said.startswith(
        "no answer from osv: it has no advisory about django 2.2, which has many\nNothing was checked"
    )
    assert status == audit.NOT_CHECKED


def test_what_no_source_knows_is_not_called_clean() -> None:
    done = audit.Audit({"a": "1", "b": "2"}, frozenset({"a"}), (), ())
    assert done.status == audit.NOT_CHECKED
    assert list(audit.words(done)) == [
        "not checked, because no source knows them: b",
        "1 of 2 pinned versions were checked: no known advisory",
    ]


def test_every_pin_of_this_project_is_read() -> None:
    pins = audit.pinned(audit.ROOT / "constraints.txt")
    assert pins["torch"] == Version(metadata.version("torch")).public
    assert pins["prometheus-client"] == metadata.version("prometheus_client")
    assert len(pins) == sum("=" in line for line in (audit.ROOT / "constraints.txt").read_text().splitlines())
    assert _OLD[0] not in pins


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("numpy=2", r"line 1 \(numpy=2\) must be a package"),
        ("nobody-has-this>=1", "is a range, and nobody-has-this"),
    ],
)
def test_a_line_that_is_no_pin_is_refused(tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "constraints.txt"
    path.write_text(line)
    with pytest.raises(ConfigError, match=wrong):
        audit.pinned(path)


def test_the_exit_status_reaches_the_shell(tmp_path: Path) -> None:
    """`make` prints it as `Error 3`."""
    command = [sys.executable, "-m", "deploy.audit", "--constraints", f"{tmp_path / 'none.txt'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=audit.ROOT)
    assert done.returncode == audit.NOT_CHECKED
    assert "error: " in done.stderr
