"""A run as one document: its page and its Markdown say the same, load nothing, and no text of others becomes markup."""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import ModuleType

import pytest

from mtmd import extension, extras
from mtmd.config import Preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.promote.findings import Verdict
from mtmd.report import stages
from mtmd.report.document import Document, Section, markdown, page
from mtmd.report.tables import Table, columns_of
from mtmd.report.view import RunRecords, decision, headline, metrics, of_stage, view
from tests.report.conftest import CANDIDATE, CHAMPION, all_that_a_page_can_show
from tests.report.hostile import HOSTILE, markup

UP = ("../../index.html", "All days and runs of tiny")
CORE = (
    "gates", "since", "rivals", "buckets", "ablations", "training", "data", "past", "parity",
    "lineage",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(
    records: RunRecords, day: HeldOutDay, tiny_preset: Preset, tmp_path_factory: pytest.TempPathFactory
) -> RunRecords:
    return all_that_a_page_can_show(records, day, tiny_preset, tmp_path_factory.mktemp("ablated"))


def test_the_headline_says_verdict_and_cause(whole: RunRecords) -> None:
    document = view(whole)
    assert document.title == "Kept the champion: gate champion failed"
    assert document.kind == "bad"
    facts = dict(document.facts)
    assert (facts["candidate"], facts["compared with champion"], facts["live now"]) == (
        CANDIDATE,
        CHAMPION,
        CHAMPION,
    )
    assert facts["window"].endswith("without 2026-01-19 (clicks were not logged))")
    assert facts["reused"] == "shards 20 of 21"


def test_headlines_of_all_verdicts(verdict: Verdict) -> None:
    gates = tuple(gate.model_copy(update={"passed": True}) for gate in verdict.gates)
    passed = verdict.model_copy(update={"gates": gates})
    overridden = verdict.model_copy(update={"override": "a reason"})
    more = verdict.model_copy(
        update={"gates": tuple(one.model_copy(update={"passed": False}) for one in verdict.gates[:3])}
    )
    found = [
        headline(passed, CANDIDATE),
        headline(overridden, CANDIDATE),
        headline(verdict, None),
        headline(more, CHAMPION),
        headline(passed.model_copy(update={"refusal": "the run was told not to promote"}), CHAMPION),
        headline(
            passed.model_copy(update={"promotion": "before"}).model_copy(update={"refusal": "x"}), CHAMPION
        ),
    ]
    assert found == [
        ("Promoted", "good"),
        ("Promoted by override", "held"),
        ("Nothing promoted: gate champion failed", "bad"),
        ("Kept the champion: gates data suites, training and champion failed", "bad"),
        ("Kept the champion: the run was told not to promote", "held"),
        ("Promoted before, and that stands", "held"),
    ]


def test_what_kept_a_passed_candidate_down_stands_beside_its_gates_and_a_repaired_model_is_said(
    records: RunRecords,
) -> None:
    summary = records.summary
    gates = tuple(gate.model_copy(update={"passed": True}) for gate in summary.verdict.gates)
    update = {
        "gates": gates,
        "refusal": "m was rolled back before; another window gives a model of other content",
    }
    refused = summary.model_copy(update={"verdict": summary.verdict.model_copy(update=update)})
    exported = records.run.exported.model_copy(update={"repaired": True})
    run = records.run.model_copy(update={"exported": exported})
    document = view(replace(records, run=run, summary=refused))
    first = document.sections[0]
    assert (first.lead, first.kind) == ("7 of 7 pass; refused: m was rolled back before", "held")
    assert "were damaged, and were made again" in dict(document.facts)["repaired"]
    assert "repaired" not in dict(view(records).facts)


def test_a_promotion_says_which_gate_was_not_applicable(records: RunRecords) -> None:
    summary = records.summary
    gates = tuple(gate.model_copy(update={"passed": True}) for gate in summary.verdict.gates)
    first = gates[2].model_copy(update={"applicable": False, "slices": ()})
    verdict = summary.verdict.model_copy(update={"gates": (*gates[:2], first, *gates[3:])})
    promoted = summary.model_copy(update={"verdict": verdict, "promoted": True, "words": "promoted"})
    document = decision(promoted)
    assert document.title == "Promoted"
    assert "- **champion**: not applicable, " in markdown(document)
    assert document.sections[0].lead == "6 of 6 pass, 1 not applicable"


def test_page_and_markdown_have_every_section(whole: RunRecords) -> None:
    document = view(whole)
    html, text = page(document, *UP), markdown(document, pictures=False)
    assert tuple(section.anchor for section in document.sections) == CORE
    for section in document.sections:
        assert f'<section id="{section.anchor}">' in html
        assert f"\n### {section.title}\n" in text
        assert f'<a href="#{section.anchor}">' in html
    for words in (
        "✗ champion",  # the failed gate, first
        "none of 18 slices and tasks is shown worse than the baseline",
        "Slices that fail the gate champion",
        "MTMD is worth its cost: against pooling alone it is ahead on ctr, gctr and octr.",
        "not compared",
        "Gate calibration, slice by slice",
        "2 of 3 models trained now, 6.0 s of training",
        "1 of 1 days hold, the window does not, 1 warning",
        "division by",
        "The last 30 runs",
        "0123abcd",
        "preset.a",
    ):
        assert words in html, words
        assert words.replace("✗ champion", "✗ **champion**") in text, words
    assert "data:image" not in text
    assert markdown(document).count("data:image/svg+xml;base64,") == html.count("<figure") == 2


def test_the_page_loads_nothing_and_is_the_same_each_time(whole: RunRecords) -> None:
    html = page(view(whole), *UP)
    assert html == page(view(whole), *UP)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in html
    assert "<script" not in html
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", html)
    assert 'href="../../index.html">All days and runs of tiny</a>' in html
    assert "prefers-color-scheme: dark" in html
    assert len(html.encode()) < 400_000
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(re.findall(r'id="([^"]+)"', html))


def test_a_run_without_past_champion_or_ablations_says_so(records: RunRecords) -> None:
    text = markdown(view(records))
    for words in (
        "There is no champion to compare with.",
        "No variants are trained for this run yet",
        "There are too few earlier runs for a trend.",
    ):
        assert words in text


def test_an_extra_adds_its_section_in_its_place(records: RunRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the seam `page.py`: here a registered extra of two modules in memory."""

    def sections(run: RunRecords) -> Sequence[Section]:
        return [Section("toy", "Toy", 55, [f"about {run.summary.model_id}"], lead="<b>plain</b>")]

    package, module = ModuleType("mtmd.extras.toy"), ModuleType("mtmd.extras.toy.page")
    package.__path__ = []
    module.sections = sections  # type: ignore[attr-defined]
    module.__spec__ = package.__spec__ = sys.modules[__name__].__spec__
    monkeypatch.setitem(sys.modules, "mtmd.extras.toy", package)
    monkeypatch.setitem(sys.modules, "mtmd.extras.toy.page", module)
    monkeypatch.setattr(extras, "EXTRAS", ("toy",))
    assert list(extension.modules("page")) == ["toy"]
    document = view(records)
    anchors = [section.anchor for section in document.sections]
    assert anchors[anchors.index("toy") - 1] == "ablations"
    assert "&lt;b&gt;plain&lt;/b&gt;" in page(document)


def _hostile(records: RunRecords) -> Document:
    run, summary = records.run, records.summary
    gates = tuple(gate.model_copy(update={"detail": HOSTILE}) for gate in summary.verdict.gates)
    verdict = summary.verdict.model_copy(update={"gates": gates, "refusal": HOSTILE})
    changed = {
        "verdict": verdict,
        "words": HOSTILE,
        "start": HOSTILE,
        "champion": HOSTILE,
        "places": {"a": HOSTILE},
    }
    (validated,) = run.quality.days
    results = tuple(
        one.model_copy(update={"description": HOSTILE, "message": HOSTILE, "samples": ({HOSTILE: HOSTILE},)})
        for one in validated.results
    )
    quality = run.quality.model_copy(update={"days": (validated.model_copy(update={"results": results}),)})
    plan = run.plan.model_copy(
        update={"left_out": {run.plan.as_of - timedelta(days=1): HOSTILE}, "logs": HOSTILE}
    )
    return view(
        replace(
            records,
            run=run.model_copy(update={"quality": quality, "plan": plan}),
            summary=summary.model_copy(update=changed),
            since=Table(
                title=HOSTILE, columns=columns_of("text", (HOSTILE, "b")), rows=((HOSTILE, HOSTILE),)
            ),
        )
    )


def test_no_text_of_others_becomes_markup_of_the_page_or_of_markdown(records: RunRecords) -> None:
    document = _hostile(records)
    html = page(document, "../../index.html", HOSTILE)
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("alert(1)") > 10
    for narrow in (False, True):
        assert markup(markdown(document, narrow=narrow, pictures=False)) == set()


def test_documents_of_stages_have_their_section_under_its_words(records: RunRecords) -> None:
    run = records.run
    trained = [
        run.trained[0].model_copy(update={"last": run.plan.as_of - timedelta(days=5)}),
        *(model.model_copy(update={"reused": True}) for model in run.trained[1:]),
    ]
    found = {
        "Training: every model was reused": stages.training(trained),
        "Data quality: 1 of 1 days hold, the window does not, 1 warning": stages.data(run.quality),
        "Exported files: parity holds, fresh process answers": stages.parity(run.proofs),
    }
    documents = [of_stage(run.plan, section) for section in found.values()]
    assert [document.title for document in documents] == list(found)
    assert [document.kind for document in documents] == ["good", "bad", "good"]
    assert "earlier, on a window to 2026-01-16" in markdown(documents[0])
    documents.append(metrics(run.plan, run.evaluated))
    assert documents[-1].title == "Metrics of MTMD on 2026-01-21"
    assert all("preset tiny, logs the logs" in document.words[0] for document in documents)
