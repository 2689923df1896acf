"""The links of a run's page to the index and to the pages beside it: there where their targets are, and kept true."""

import logging
import os
import re
from pathlib import Path

import pytest

from mtmd.report.index.reading import read_line
from mtmd.report.index.stage import write_line
from mtmd.report.index.way import BEGIN, END
from mtmd.store.files import remove, write_text
from tests.report.index.conftest import Records, day


def _page(records: Records, number: int) -> Path:
    (run,) = (records.root / "runs").glob(f"{day(number)}-*")
    return run / "report.html"


def _write(records: Records, number: int) -> None:
    """A run with a page that has a place for links."""
    records.run(number)
    write_text(_page(records, number), f"<p>{number} {BEGIN}{END} a page</p>")


def _links(records: Records, number: int) -> dict[str, bool]:
    """Words of each link, and whether its target is there."""
    page = _page(records, number)
    found = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page.read_text())
    assert page.read_text().startswith(f"<p>{number} {BEGIN}")
    assert page.read_text().endswith(f"{END} a page</p>")
    return {words: (page.parent / target).is_file() for target, words in found}


def test_a_page_leads_to_the_index_and_to_the_runs_beside_it(records: Records) -> None:
    for number in range(3):
        _write(records, number)
        write_line(records.root)
    index = "All days and runs of tiny"
    assert _links(records, 0) == {index: True, f"Next run: {day(1)}": True}
    assert _links(records, 1) == {index: True, f"Previous run: {day(0)}": True, f"Next run: {day(2)}": True}
    assert _links(records, 2) == {index: True, f"Previous run: {day(1)}": True}


def test_no_page_links_one_that_is_gone_or_was_never_written(records: Records) -> None:
    for number in range(4):
        _write(records, number)
    remove(_page(records, 1))
    write_line(records.root)
    assert f"Previous run: {day(0)}" in _links(records, 2)
    remove(_page(records, 0).parent)
    write_line(records.root)
    assert list(_links(records, 2)) == ["All days and runs of tiny", f"Next run: {day(3)}"]


def test_a_page_that_is_written_again_gets_its_links_again_and_others_are_left_alone(
    records: Records,
) -> None:
    for number in range(2):
        _write(records, number)
    write_line(records.root)
    os.utime(_page(records, 0), ns=(1, 1))
    write_line(records.root)  # its time says that it may be another page
    untouched = _page(records, 0).stat()
    write_text(_page(records, 1), f"<p>1 {BEGIN}{END} a page</p>")
    write_line(records.root)
    assert f"Previous run: {day(0)}" in _links(records, 1)
    assert _page(records, 0).stat() == untouched


def test_pages_of_older_versions_and_pages_that_cannot_be_written_cost_nothing(
    records: Records, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.run(0)
    before = _page(records, 0).read_bytes()
    _write(records, 1)
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == _page(records, 1):
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with caplog.at_level(logging.WARNING):
        write_line(records.root)
    assert _page(records, 0).read_bytes() == before
    assert "has no new links: [Errno 13] Permission denied" in caplog.text
    assert list(read_line(records.root).ways) == [_page(records, 0).parent.name]
