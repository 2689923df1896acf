"""The page of a real run, written after the decision; its contents are tested where they are made."""

from pathlib import Path

import pytest

from mtmd import stages
from mtmd.errors import ReportError
from mtmd.stages import RunSummary
from mtmd.storage import read_json
from tests.stages.conftest import Done


def _write(done: Done, summary: RunSummary, **changed: object) -> Path:
    given = {
        "quality": done.quality, "shards": done.shards, "trained": done.trained, "proofs": done.proofs,
    } | changed  # fmt: skip
    return stages.write_report(done.plan, summary, **given)  # type: ignore[arg-type]


def test_the_page_lies_with_the_run_and_is_written_whole(done: Done) -> None:
    summary = done.decide()
    place = _write(done, summary)
    run = done.plan.workspace.run(done.plan.as_of, done.trained[0].key)
    assert place == run / "report.html"
    assert read_json(run / "summary.json")["places"]["report"] == str(place)
    html = place.read_text()
    for words in (
        "<h1>Promoted</h1>",
        summary.model_id,
        done.shards[-1].fingerprint[:12],
        done.trained[0].key[:12],
        "all hold",
        "merchant_rating",  # a gate
        "per_slice: weighted KL, nats",
        "query_search.onnx",
        "pooling alone",
    ):
        assert words in html, words
    assert not list(run.glob(".tmp-*"))
    assert place.stat().st_size < 2_000_000


def test_the_same_decision_gives_the_same_page(done_live: Done) -> None:
    summary = done_live.decide()
    first = _write(done_live, summary).read_bytes()
    assert _write(done_live, summary).read_bytes() == first
    assert b"<h1>Already champion</h1>" in first


def test_when_it_fails_the_promotion_stands_and_the_error_says_so(done: Done) -> None:
    summary = done.decide()
    place = Path(summary.places["report"])
    place.write_text("an earlier page")
    with pytest.raises(
        ReportError, match=rf"the report of {summary.model_id} could not be written to .*stands"
    ) as e:
        _write(done, summary, shards=())
    assert "(promoted); run the same day again" in str(e.value)
    assert e.value.__cause__ is not None
    champion = done.registry.champion()
    assert champion is not None
    assert champion.model_id == summary.model_id
    assert place.read_text() == "an earlier page"
