"""Every fault of the catalogue, each on a line of its own, and what must hold after it.

Without `--all-faults` only a few are tried; `make faults` tries all.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtmd import extension
from tests.buckets import S3
from tests.faults import clocks, crashes, disks, servers, sources, stored
from tests.faults.line import Fault, Line, copied, words_of
from tests.faults.stored import KINDS
from tests.flows.runs import LINE, Run


def all_faults() -> Iterator[Fault]:
    """Those of buckets where the extra `bucket` is."""
    for group in (stored, sources, crashes, disks, clocks, servers):
        yield from group.faults()
    if "bucket" in extension.names():
        from tests.faults import object_store  # noqa: PLC0415

        yield from object_store.faults()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault" in metafunc.fixturenames:
        chosen = [one for one in all_faults() if one.quick or metafunc.config.getoption("--all-faults")]
        metafunc.parametrize("fault", chosen, ids=[f"{one.group}: {one.name}" for one in chosen])


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Removed after a fault that was survived: all of them together would need some 30 GB."""
    failed = request.session.testsfailed
    yield tmp_path
    if request.session.testsfailed == failed:
        shutil.rmtree(tmp_path)


@pytest.fixture
def line(next_day: Run, first_run: Run, place: Path) -> Iterator[Line]:
    made = copied(next_day, first_run, place)
    yield made
    disks.unmount(made)


@pytest.fixture
def bucket_line(next_day: Run, first_run: Run, place: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> Line:
    from tests.faults.bucket_line import uploaded  # noqa: PLC0415 - it needs the extra `bucket`

    return uploaded(next_day, first_run, place, s3, monkeypatch)


@pytest.fixture(scope="session")
def undisturbed(next_day: Run) -> dict[str, str]:
    return Line(next_day.logs, next_day.artifacts, next_day.artifacts).results()


def test_a_fault(fault: Fault, request: pytest.FixtureRequest, undisturbed: dict[str, str]) -> None:
    line: Line = request.getfixturevalue(fault.on)
    fault.strike(line)
    words = words_of(lambda: fault.then(line))
    assert (words is None) == (fault.outcome != "refused"), words
    if words is not None:
        assert re.search(fault.words, words), words
        assert line.left_behind() == []
        line.mend()
        line.daily()
    assert line.results() == undisturbed
    assert line.live() == undisturbed["champion"]
    assert line.left_behind() == []


def test_every_kind_of_file_of_a_line_is_struck(line: Line) -> None:
    """Locks are empty files."""
    known = {path for pattern in KINDS for path in line.root.glob(pattern)}
    files = {path for path in line.root.rglob("*") if path.is_file() and path.stat().st_size}
    assert sorted(str(path.relative_to(line.artifacts / LINE)) for path in files - known) == []
