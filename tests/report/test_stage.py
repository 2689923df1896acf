"""The page of a real run, written after the decision; its contents are tested where they are made."""

import shutil
from pathlib import Path

import pytest

from mtmd.errors import ReportError
from mtmd.extract.shards import open_shard
from mtmd.promote.stage import RunSummary
from mtmd.report import stage as report_stage
from mtmd.report.index.way import BEGIN, END
from mtmd.report.values import value_changes
from mtmd.store.files import read_json
from tests.daily import Done, run_stages
from tests.flows.runs import NEXT, Run, copied


def _write(done: Done, summary: RunSummary, **changed: object) -> Path:
    return report_stage.write_report(done.run.model_copy(update=changed), summary)


def _without_links(page: bytes) -> bytes:
    """As it is before the index is written."""
    before, _, rest = page.partition(BEGIN.encode())
    return before + rest.partition(END.encode())[2]


def test_the_page_lies_with_the_run_and_is_written_whole(done: Done) -> None:
    summary = done.decide()
    place = _write(done, summary)
    run = Path(summary.places["run"])
    assert place == run / "report.html"
    assert read_json(run / "summary.json")["places"]["report"] == str(place)
    html = place.read_text()
    for words in (
        "<h1>Promoted",
        summary.model_id,
        done.days.held_out.fingerprint[:12],
        done.trained[0].key[:12],
        "all hold",
        "merchant_rating",  # a gate
        "per_slice: weighted KL, nats",
        "query_search.onnx",
        "pooling alone",
    ):
        assert words in html, words
    assert not list(run.glob(".tmp-*"))
    assert place.stat().st_size < 400_000


def test_a_rerun_of_the_champion_makes_the_missing_page_of_the_decision(
    next_day: Run, tmp_path: Path
) -> None:
    """With the champion that it was held against, as if the first run had written it."""
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    done = run_stages(next_day.logs, artifacts, NEXT)
    summary = done.decide()
    place = Path(summary.places["report"])
    first = place.read_bytes()
    assert b"<h1>Promoted" in first
    assert b"<h3>champion gate, slice by slice" in first
    place.unlink()
    assert _without_links(_write(done, summary).read_bytes()) == _without_links(first)
    page = first.decode()
    assert "<h2>5 The last 2 runs" in page
    assert "Nothing that is recorded differs." not in page  # the days do
    assert "<code>training days</code>" in page
    assert ": not recorded" not in page


def test_values_are_new_gone_or_in_both_windows(next_day: Run, tmp_path: Path) -> None:
    """The champion's window is a day older: what the shards of the first and of the last day alone have moved."""
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    done = run_stages(next_day.logs, artifacts, NEXT)
    preset, workspace = done.plan.preset, done.plan.workspace
    champion = next_day.summary.verdict.champion
    assert champion is not None
    found, why = value_changes(workspace, done.days, preset.declarations, champion)
    assert (why, [one.feature for one in found[:2]]) == ("", ["user_id", "ad_id"])
    column = [feature.name for feature in preset.declarations.item.categorical].index("ad_id")
    window = done.registry.manifest(champion).window
    places = {day: workspace.shards / f"date={day}" / fingerprint[:16] for day, fingerprint in window.items()}
    before = {int(ad) for place in places.values() for ad in open_shard(place).item.categorical[:, column]}
    own = {
        int(ad)
        for shard in done.days.window
        for ad in open_shard(Path(shard.path)).item.categorical[:, column]
    }
    assert (found[1].new, found[1].gone, found[1].both) == (
        len(own - before),
        len(before - own),
        len(own & before),
    )
    assert found[1].new > 0
    shutil.rmtree(places[min(places)])
    nothing, why = value_changes(workspace, done.days, preset.declarations, champion)
    assert (nothing, why) == ((), "not recorded: the shards of 1 of the champion's 20 training days are gone")
    nothing, why = value_changes(workspace, done.days, preset.declarations, "never-there")
    assert nothing == ()
    assert why.startswith("not recorded: ")


def test_a_page_that_an_earlier_run_wrote_is_not_written_again_without_need(done_live: Done) -> None:
    summary = done_live.decide()
    summary = done_live.decide()
    assert summary.repeated
    place = _write(done_live, summary)
    place.write_text("with ablations")
    assert _write(done_live, summary).read_text() == "with ablations"
    assert "<h1>Promoted" in _write(done_live, summary.model_copy(update={"repeated": False})).read_text()


def test_when_it_fails_the_promotion_stands_and_the_error_says_so(done: Done) -> None:
    summary = done.decide()
    place = Path(summary.places["report"])
    place.write_text("an earlier page")
    with pytest.raises(
        ReportError, match=rf"the report of {summary.model_id} could not be written to .*stands"
    ) as e:
        _write(done, summary, trained=())
    assert "(promoted); run the same day again" in str(e.value)
    assert e.value.__cause__ is not None
    champion = done.registry.champion()
    assert champion is not None
    assert champion.model_id == summary.model_id
    assert place.read_text() == "an earlier page"
