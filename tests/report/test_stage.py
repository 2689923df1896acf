"""The page of a real run, written after the decision; its contents are tested where they are made."""

from pathlib import Path

import pytest

from mtmd.errors import ReportError
from mtmd.promote.findings import RunSummary
from mtmd.report import stage as report_stage
from mtmd.store.files import read_json
from tests.daily import Done, run_stages
from tests.flows.runs import NEXT, Run, copied


def _write(done: Done, summary: RunSummary, **changed: object) -> Path:
    return report_stage.write_report(done.model_copy(update=changed), summary)


def test_a_rerun_of_the_champion_makes_the_missing_page_of_the_decision(
    next_day: Run, tmp_path: Path
) -> None:
    """With the champion that it was held against, as if the first run had written it."""
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    done = run_stages(next_day.logs, artifacts, NEXT)
    summary = done.decide()
    place = Path(summary.places["report"])
    first = place.read_bytes()
    assert "<h1>✓ Promoted" in first.decode()
    assert b"Gate champion, slice by slice" in first
    place.unlink()
    pages = [one.decode() for one in (first, _write(done, summary).read_bytes())]
    before, again = (one.partition('id="gates"')[2].partition('id="training"')[0] for one in pages)
    assert before == again  # around it stands what each run reused
    page = first.decode()
    assert "<h2>The last 2 runs" in page
    assert '<th scope="row">training days</th>' in page
    assert "not recorded" not in page


def test_a_page_that_an_earlier_run_wrote_is_not_written_again_without_need(done_live: Done) -> None:
    summary = done_live.decide()
    summary = done_live.decide()
    assert summary.repeated
    place = _write(done_live, summary)
    place.write_text("with ablations")
    assert _write(done_live, summary).read_text() == "with ablations"
    assert _write(done_live, summary.model_copy(update={"repeated": False})) == place
    assert place == Path(summary.places["run"]) / "report.html"
    for text in (place.read_text(), place.with_name("report.md").read_text()):
        assert "✓ Promoted" in text
        assert done_live.trained[0].key[:12] in text


def test_when_it_fails_the_promotion_stands_and_the_error_says_so(done: Done) -> None:
    summary = done.decide()
    place = Path(summary.places["report"])
    assert read_json(place.with_name("summary.json"))["places"]["report"] == str(place)
    place.write_text("an earlier page")
    with pytest.raises(
        ReportError, match=rf"the report of {summary.model_id} could not be written to .*stands"
    ) as e:
        _write(done, summary, quality=None)
    assert "(promoted); run the same day again" in str(e.value)
    assert e.value.__cause__ is not None
    champion = done.registry.champion()
    assert champion is not None
    assert champion.model_id == summary.model_id
    assert place.read_text() == "an earlier page"
