"""The index: a state for every day, pages that link what is there, and what goes wrong there is never a run's loss."""

import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from mtmd.errors import ConfigError, LogsError, StorageError, ValidationError
from mtmd.report.index import (
    days,
    record_decision,
    record_failure,
    render_line,
    render_lines,
    update_index,
    write_index,
)
from mtmd.report.line import read_line
from mtmd.store.files import read_json
from tests.report.line_records import FIRST, Records, build, day, records

__all__ = ["build", "records"]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \" ' \u2028 {{ 7 * 7 }}"


def test_every_day_has_the_state_that_its_records_say(records: Records) -> None:
    shown = list(days(read_line(records.every_kind().root)))
    assert [(one.day, one.state) for one in shown] == [
        (FIRST, "promoted"),
        (day(1), "rolled back"),
        (day(2), "kept"),
        (day(3), "stopped"),
        (day(4), "failed"),
        (day(5), "missing"),
        (day(6), "missing"),
        (day(7), "left out"),
        (day(8), "missing"),
        (day(9), "missing"),  # the monitor alone looked at it
    ]
    assert [one.sign for one in shown] == [*"PRKSF··–·", "·"]
    assert shown[0].words == "2026-01-21: promoted; monitor: all is well"
    assert shown[2].words == "2026-01-23: kept; champion"
    assert shown[7].words == "2026-01-28: left out; a holiday of the platform"
    assert shown[9].words == "2026-01-30: missing; monitor: search × ctr: AUC 0.6; the champion is old"


def test_a_rerun_that_kept_the_champion_is_kept_though_its_model_was_rolled_back(records: Records) -> None:
    records.run(0)
    model = records.run(1)
    records.change("rollback", f"{FIRST:%Y%m%d}-{0:010x}", 0, previous=model)
    records.decide(model, day(1), refusal="it was rolled back")
    line = read_line(records.root)
    assert [line.verdict(run) for run in line.runs[:2]] == ["kept", "rolled back"]


def test_a_promotion_stands_whatever_ran_later_and_else_the_latest_run_counts(records: Records) -> None:
    records.run(0)
    records.decide("20260121-again", FIRST, failed=("parity",))
    records.run(1, failed=("champion",))
    records.stop(day(1), "suites failed")
    assert [one.state for one in days(read_line(records.root))] == ["promoted", "stopped"]


def test_months_are_weeks_from_monday_the_newest_first(records: Records) -> None:
    records.run(0)
    records.run(12)
    html = render_line(read_line(records.root))
    february, january = html.split('<table class="month">')[1:]
    assert february.startswith("<caption>February 2026")
    assert january.startswith("<caption>January 2026")
    weeks = [
        re.findall(r"<small>(\d+)</small>|<td></td>", week)
        for week in january.split("</table>")[0].split("<tr>")[2:]
    ]
    assert weeks == [["", "", "21", "22", "23", "24", "25"], ["26", "27", "28", "29", "30", "31", ""]]


def test_a_page_says_what_its_line_holds(records: Records) -> None:
    html = render_line(read_line(records.every_kind().root))
    for words in (
        "<h1>tiny</h1>",
        "20260121-0000000000",
        "9 days before the newest day, 2026-01-30",
        "<dd>failed, 2026-01-25 the logs of the day are missing</dd>",
        "2026-01-30: search × ctr: AUC 0.6; the champion is old",
        "<dt>runs</dt><dd>5</dd>",
        "0.4500",
        "rollback",
    ):
        assert words in html, words
    assert render_line(read_line(records.root)) == html


def test_links_are_relative_and_lead_to_pages_that_are_there(records: Records) -> None:
    records.run(0)
    records.run(1, page=False)
    html = render_line(read_line(records.root))
    links = set(re.findall(r'href="([^"#]+)"', html))
    assert len(links) == 3
    assert links > {"../index.html", "data:,"}
    (page,) = links - {"../index.html", "data:,"}
    assert (records.root / page).is_file()
    assert '<th scope="row">2026-01-22<small>' in html
    assert re.findall(r'<a class="cell promoted" href="([^"]+)"', html) == [page]


def test_texts_of_records_stay_texts(records: Records) -> None:
    records.run(0, failed=("champion",))
    (path,) = records.root.glob("runs/*/summary.json")
    stored = json.loads(path.read_text())
    stored["verdict"]["gates"][0] |= {"name": HOSTILE, "detail": HOSTILE}
    stored["report"]["metrics"][-1]["task"] = HOSTILE
    path.write_text(json.dumps(stored | {"model_id": HOSTILE, "champion": HOSTILE, "start": HOSTILE}))
    records.monitor(1, HOSTILE)
    html = render_line(read_line(records.root))
    assert "<script" not in html
    assert "<img" not in html
    assert "49" not in html.split("<main>")[1]
    assert html.count("alert(1)") > 4  # it is there, as text
    lines = render_lines((HOSTILE,))
    assert lines.count("<script") == 0
    assert "<img" not in lines
    assert 'href="%3C/script%3E' in lines


def test_an_empty_line_and_an_empty_list_have_pages(records: Records) -> None:
    html = render_line(read_line(records.root))
    for words in ("No day has a record yet.", "No run ended yet.", "No model was promoted yet."):
        assert words in html
    assert "Nothing ran here yet." in render_lines(())


def _artifacts(records: Records) -> str:
    return str(records.root.parent)


def test_the_pages_of_a_line_and_of_the_lines_are_written_whole(records: Records) -> None:
    records.every_kind()
    other = records.root.parent / "older"
    (other / "runs").mkdir(parents=True)
    (records.root.parent / "my-ads").mkdir()  # no line: nobody's business
    update_index(_artifacts(records), "tiny")
    assert "<h1>tiny</h1>" in (records.root / "index.html").read_text()
    lines = (records.root.parent / "index.html").read_text()
    assert 'href="tiny/index.html"' in lines
    assert "older" not in lines  # listed when its index is written
    assert "my-ads" not in lines
    assert not list(records.root.parent.rglob(".tmp-*"))


def test_all_lines_are_written_again_on_request(records: Records) -> None:
    records.run(0)
    place = records.root.parent
    (place / "older" / "runs").mkdir(parents=True)
    assert write_index(place) == place / "index.html"
    assert 'href="older/index.html"' in (place / "index.html").read_text()
    assert (place / "older" / "index.html").is_file()
    (place / "older" / "index.html").unlink()
    (place / "older" / "runs").rmdir()  # as `make clean` leaves a line: it is gone
    write_index(place)
    assert "older/" not in (place / "index.html").read_text()


def test_a_line_that_cannot_be_written_keeps_no_other_from_it(records: Records) -> None:
    """The first of three, by name: the two others and the list are written all the same."""
    records.run(0)
    place = records.root.parent
    for name in ("a-broken-one", "z-last"):
        (place / name / "runs").mkdir(parents=True)
    (place / "a-broken-one" / "index.html").mkdir()  # nothing can be written there
    with pytest.raises(StorageError, match=r"the index of 1 lines in .*, the others were: a-broken-one: "):
        write_index(place)
    assert (place / "z-last" / "index.html").is_file()
    assert 'href="tiny/index.html"' in (place / "index.html").read_text()


def test_a_failure_is_kept_until_its_day_is_decided(records: Records) -> None:
    error = LogsError("logs of 2026-01-21 are missing")
    record_failure(_artifacts(records), "tiny", FIRST, error)
    assert not records.root.exists()  # nothing ran on this line yet
    records.stop(day(-1), "suites failed")
    record_failure(_artifacts(records), "tiny", FIRST, error)
    failed, _ = read_line(records.root).runs
    assert (failed.verdict, failed.as_of, failed.reason) == ("failed", FIRST, str(error))
    assert "logs of 2026-01-21 are missing" in (records.root / "index.html").read_text()
    records.run(0)
    record_decision(records.workspace, FIRST)
    assert [run.verdict for run in read_line(records.root).runs] == ["promoted", "stopped"]
    assert "logs of 2026-01-21 are missing" not in (records.root / "index.html").read_text()
    record_failure(_artifacts(records), "tiny", day(1), ConfigError("window_days (19) must be 20 or more"))
    assert read_line(records.root).runs[0].as_of == FIRST
    record_failure(_artifacts(records), "tiny", day(1), OSError(28, "No space left on device"))
    assert read_line(records.root).runs[0].reason == "OSError(28, 'No space left on device')"
    record_failure(_artifacts(records), "tiny", day(2), ValidationError("ads.has_rows failed"))
    assert read_line(records.root).runs[0].verdict == "stopped"


def test_what_goes_wrong_is_a_warning(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    records.run(0)
    (records.root / "index.html").mkdir()  # nothing can be written there
    with caplog.at_level(logging.WARNING):
        update_index(_artifacts(records), "tiny")
        update_index(_artifacts(records), "no-such-preset")
        record_failure(_artifacts(records), "no-such-preset", FIRST, LogsError("gone"))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert f"the index of {_artifacts(records)} could not be written" in caplog.text
    assert "`mtmd runs --write-index` writes it again" in caplog.text


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
