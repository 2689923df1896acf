"""The index: a row for every day, pages that link what is there, and what goes wrong there is never a run's loss."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mtmd.errors import ConfigError, LogsError
from mtmd.promote.findings import RunSummary
from mtmd.report.document import Document, page
from mtmd.report.index import (
    days_table,
    document,
    lines_document,
    record_decision,
    record_failure,
    update_index,
)
from mtmd.report.line import read_line
from mtmd.store.files import read_json
from mtmd.store.workspace import read_record, write_record
from tests.report.line_records import FIRST, Records, build, day, model_of, records

__all__ = ["build", "records"]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \" ' \u2028 {{ 7 * 7 }}"


def _html(records: Records) -> str:
    return page(document(read_line(records.root)), "../index.html", "All lines")


def test_every_day_has_a_row_that_says_what_came_of_it(records: Records) -> None:
    rows = [dict(zip(("day", "verdict", "logmae", "rows", "model", "monitor", "why"), row, strict=True))
            for row in days_table(read_line(records.every_kind().root)).texts()]  # fmt: skip
    assert [(row["day"], row["verdict"], row["logmae"], row["why"]) for row in rows] == [
        (f"{day(7)}", "no run", "–", ""),  # the monitor alone looked at it
        (f"{day(6)}", "no run", "–", ""),
        (f"{day(5)}", "no run", "–", ""),
        (f"{day(4)}", "✗ failed", "–", "the logs of the day are missing"),
        (f"{day(3)}", "✗ stopped", "–", "the data suites failed: ads.has_rows"),
        (f"{day(2)}", "○ kept", "0.4000", "champion: what champion saw"),
        (f"{day(1)}", "○ rolled back", "0.4500", ""),
        (f"{FIRST}", "✓ promoted", "0.5000", ""),
    ]
    assert (rows[0]["monitor"], rows[-1]["monitor"]) == (
        "✗ 2 breaches: search × ctr: AUC 0.6; the champion is old",
        "✓",
    )
    assert (rows[-1]["rows"], rows[-1]["model"]) == ("200", model_of(0))


def test_a_rerun_that_kept_the_champion_is_kept_though_its_model_was_rolled_back(records: Records) -> None:
    records.run(0)
    model = records.run(1)
    records.change("rollback", model_of(0), 0, previous=model)
    records.decide(model, day(1), refusal="it was rolled back")
    line = read_line(records.root)
    assert [line.verdict(run) for run in line.runs[:2]] == ["kept", "rolled back"]


def test_a_page_says_what_its_line_holds(records: Records) -> None:
    html = _html(records.every_kind())
    for words in (
        "<h1>✗ tiny: failed, 2026-01-25</h1>",
        "the logs of the day are missing",
        f"<dd>{model_of(0)}, as_of 2026-01-21</dd>",
        "2026-01-28: 2 breaches: search × ctr: AUC 0.6; the champion is old",
        "LogMAE of the candidate over all tasks, run by run",
        "rollback",
    ):
        assert words in html, words
    assert _html(records) == html


def test_links_are_relative_and_lead_to_pages_that_are_there(records: Records) -> None:
    records.run(0)
    records.run(1, page=False)
    html = _html(records)
    links = set(re.findall(r'href="([^"#]+)"', html)) - {"../index.html", "data:,"}
    (link,) = links
    assert (records.root / link).is_file()
    assert '<th scope="row">2026-01-22</th>' in html


def test_texts_of_records_stay_texts(records: Records) -> None:
    records.run(0, failed=("champion",))
    (path,) = records.root.glob("runs/*/summary.json")
    summary = read_record(path, RunSummary)
    assert summary is not None
    (gate, *_) = summary.verdict.gates
    verdict = summary.verdict.model_copy(update={"gates": (gate.model_copy(update={"detail": HOSTILE}),)})
    write_record(path, summary.model_copy(update={"model_id": HOSTILE, "verdict": verdict}))
    records.monitor(1, HOSTILE)
    lines = page(lines_document((HOSTILE,)))
    for html, count in ((_html(records), 4), (lines, 1)):
        assert "<script" not in html
        assert "<img" not in html
        assert html.count("alert(1)") >= count  # it is there, as text
        assert "49" not in html.split("<main>")[1]
    assert 'href="%3C/script%3E' in lines


def test_an_empty_line_and_an_empty_list_have_pages(records: Records) -> None:
    html = _html(records)
    for words in ("tiny: no run ended yet", "No model was promoted yet."):
        assert words in html
    assert "Nothing ran here yet." in page(lines_document(()))


def _artifacts(records: Records) -> str:
    return str(records.root.parent)


def test_the_pages_of_a_line_and_of_the_lines_are_written_whole(records: Records) -> None:
    records.every_kind()
    other = records.root.parent / "older"
    (other / "runs").mkdir(parents=True)
    (records.root.parent / "my-ads").mkdir()  # no line: nobody's business
    update_index(_artifacts(records), "tiny")
    assert "<h1>✗ tiny: failed, 2026-01-25</h1>" in (records.root / "index.html").read_text()
    lines = (records.root.parent / "index.html").read_text()
    assert 'href="tiny/index.html"' in lines
    assert "older" not in lines  # it has no index
    assert "my-ads" not in lines
    assert not list(records.root.parent.rglob(".tmp-*"))


def test_a_failure_is_kept_until_its_day_is_decided(records: Records) -> None:
    error = LogsError("logs of 2026-01-21 are missing")
    assert _failed(records, 0, error) is None
    assert not records.root.exists()  # nothing ran on this line yet
    records.stop(day(-1), "suites failed")
    place = _failed(records, 0, error)
    failed, _ = read_line(records.root).runs
    assert (failed.verdict, failed.as_of, failed.reason) == ("failed", FIRST, str(error))
    assert place is not None
    assert f'href="{place.relative_to(records.root)}"' in (records.root / "index.html").read_text()
    assert "logs of 2026-01-21 are missing" in place.read_text()
    records.run(0)
    record_decision(records.workspace, FIRST)
    assert [run.verdict for run in read_line(records.root).runs] == ["promoted", "stopped"]
    assert not place.exists()
    assert "logs of 2026-01-21 are missing" not in (records.root / "index.html").read_text()
    _failed(records, 1, ConfigError("window_days (19) must be 20 or more"))
    assert read_line(records.root).runs[0].as_of == FIRST
    _failed(records, 1, OSError(28, "No space left on device"))
    assert read_line(records.root).runs[0].reason == "OSError(28, 'No space left on device')"


def _failed(records: Records, number: int, error: Exception) -> Path | None:
    said = Document("Stopped", "bad", (f"{error}",))
    return record_failure(_artifacts(records), "tiny", day(number), error, said)


def test_what_goes_wrong_is_a_warning(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    records.run(0)
    (records.root / "index.html").mkdir()  # nothing can be written there
    with caplog.at_level(logging.WARNING):
        update_index(_artifacts(records), "tiny")
        update_index(_artifacts(records), "no-such-preset")
        record_failure(_artifacts(records), "no-such-preset", FIRST, LogsError("gone"), Document("x", ""))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert f"the index of {_artifacts(records)} could not be written" in caplog.text


def test_writers_at_once_list_the_runs_of_all(records: Records) -> None:
    """Days of a backfill run side by side: the last one to write has seen what the others recorded."""

    def one(number: int) -> None:
        update_index(_artifacts(records), "tiny")

    for number in range(4):
        records.run(number)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    html = (records.root / "index.html").read_text()
    assert all(f">{day(number)}</a>" in html for number in range(4))
    assert len(read_json(records.root / "index.json")["runs"]) == 4
