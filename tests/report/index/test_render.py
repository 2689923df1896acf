"""The pages: what they say, that they link relatively, and that no text of a record becomes HTML or script."""

import json
import re
import time
from base64 import b64encode
from hashlib import sha256

import pytest

from mtmd.report.index.reading import read_line
from mtmd.report.index.render import (
    LineSummary,
    duration,
    number,
    render_line,
    render_lines,
    summary,
)
from tests.report.index.conftest import FIRST, Records, day, many_runs

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \" ' \u2028 {{ 7 * 7 }}"


def _data(html: str) -> dict[str, dict[str, object]]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    read = json.loads(found)
    assert isinstance(read, dict)
    return read


def test_a_page_says_what_its_line_holds(records: Records) -> None:
    html = render_line(read_line(records.every_kind().root))
    for words in (
        "<h1>tiny</h1>",
        "20260121-0000000000",
        "9 days before the newest day, 2026-01-30",
        "<b>failed, 2026-01-25</b><small>the logs of the day are missing</small>",
        "2026-01-30: 2 breaches",
        "5, of them 2 promoted",
        "0.4500",
        "1 skipped, 1 completed, 1 failed",
        "2026-01-23: no logs of the day",
        "<span>CTR <b>+5.00%</b> [−1.00%, +11.00%]</span><span>HDR undefined</span>",
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
    row = html.split('id="run-2026-01-22', 1)[1].split("</tr>", 1)[0]
    assert ">2026-01-22<small>" in row
    assert "href" not in row
    cells = re.findall(r'<a class="cell promoted" href="([^"]+)"', html)
    assert cells == [page, f"#run-{day(1)}-0000000002-abcdef"]


def test_texts_of_records_stay_texts(records: Records) -> None:
    records.run(0, failed=("champion",))
    (path,) = records.root.glob("runs/*/summary.json")
    stored = json.loads(path.read_text())
    stored["verdict"]["gates"][0] |= {"name": HOSTILE, "detail": HOSTILE}
    stored["report"]["metrics"][-1]["task"] = HOSTILE
    path.write_text(json.dumps(stored | {"model_id": HOSTILE, "champion": HOSTILE, "start": HOSTILE}))
    records.monitor(1, HOSTILE)
    html = render_line(read_line(records.root))
    assert html.count("<script") == 2
    assert html.count("</script>") == 2
    assert "<img" not in html
    assert "49" not in _data(html)[f"run-{FIRST}-0000000001-abcdef"]["gates"]
    (own,) = _data(html).values()
    assert own["model"] == HOSTILE
    assert own["gates"][0] == [HOSTILE, "fail", HOSTILE, "fail"]  # type: ignore[index]
    assert "\u2028" not in html.split('id="data">')[1].split("</script>")[0]
    lines = render_lines([LineSummary(name=HOSTILE, champion=HOSTILE, reason=HOSTILE, verdict="kept")])
    assert lines.count("<script") == 0
    assert "<img" not in lines
    assert 'href="%3C/script%3E' in lines


def test_the_page_lets_its_own_script_run_and_no_other(records: Records) -> None:
    html = render_line(read_line(records.root))
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    allowed = b64encode(sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{allowed}'" in (
        html.replace("&#39;", "'")
    )
    assert "http" not in re.sub(r'http-equiv="', "", html)


def test_400_runs_fit_a_page_that_is_made_at_once() -> None:
    line = many_runs(400)
    before = time.process_time()
    html = render_line(line)
    assert time.process_time() - before < 2.0
    assert len(html.encode()) < 1_500_000
    assert html.count('<tr id="run-') == 400
    assert html.count('<a class="cell ') == 400
    assert len(_data(html)) == 400
    assert "20 older runs are not listed." in render_line(many_runs(420))


def test_an_empty_line_and_an_empty_list_have_pages(records: Records) -> None:
    html = render_line(read_line(records.root))
    for words in ("No day has a record yet.", "No run ended yet.", "No model was promoted yet."):
        assert words in html
    assert "Nothing ran here yet." in render_lines([])


def test_the_list_has_each_line_with_its_champions_age(records: Records) -> None:
    found = summary(read_line(records.every_kind().root))
    assert (found.runs, found.promoted, found.monitored, found.breaches) == (5, 2, day(9), 2)
    assert (found.verdict, found.verdict_day) == ("failed", day(4))
    html = render_lines([found, LineSummary(name="older", page=False)])
    assert '<a href="tiny/index.html">tiny</a>' in html
    assert "9 days before the newest day" in html
    assert '<th scope="row" class="day">older</th>' in html
    assert "no index yet" in html


def test_a_registry_that_cannot_be_read_is_said(records: Records) -> None:
    (records.root).mkdir(parents=True)
    (records.root / "champion.json").write_text("{")
    html = render_line(read_line(records.root))
    assert "The registry can't be read: " in html


@pytest.mark.parametrize(
    ("newest", "age"),
    [(0, "of the newest day"), (1, f"1 day before the newest day, {day(1)}"), (-1, "of the newest day")],
)
def test_a_champions_age_counts_to_the_newest_day(newest: int, age: str) -> None:
    assert LineSummary(name="a", champion_as_of=FIRST, newest=day(newest)).age == age


def test_numbers_have_their_units() -> None:
    assert [duration(seconds) for seconds in (None, 61.6, 119.4, 120, 7199, 7200, 12_600)] == [
        "–", "1 min 2 s", "1 min 59 s", "2 min 0 s", "1 h 59 min", "2 h 0 min", "3 h 30 min",
    ]  # fmt: skip
    assert (number(None), number(-0.25), number(12_345, ",d")) == ("–", "−0.2500", "12,345")
