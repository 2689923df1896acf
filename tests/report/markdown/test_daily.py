"""What artifacts say; the tables themselves are tested where they are made."""

from pathlib import Path

from mtmd.evaluate.ablation import Ablation
from mtmd.report.markdown import daily as render
from mtmd.report.standing import top_words
from mtmd.report.tables.cold import cold_words
from mtmd.run import plan_run
from mtmd.store.files import write_json
from tests.daily import Done
from tests.mtmd_flows.runs import NEXT, TINY, Run


def test_every_page_begins_with_the_day_window_and_preset(done: Done) -> None:
    head = "as_of **2026-01-21**, window 2026-01-01 to 2026-01-20 (20 days), preset tiny, logs `"
    for page in (
        render.data_quality(done.plan, done.quality),
        render.training(done.plan, done.trained),
        render.metrics(done.plan, done.evaluated),
        render.parity(done.plan, done.proofs),
    ):
        assert page.startswith(head)


def test_data_quality_says_what_was_reused(done: Done) -> None:
    assert "21 of 21 days were validated by an earlier run." in render.data_quality(done.plan, done.quality)


def test_training_has_a_row_and_a_curve_per_model(done: Done) -> None:
    page = render.training(done.plan, done.trained)
    for one in done.trained:
        best = one.fit.epochs[one.fit.best_epoch - 1].validation_loss
        assert f"| {one.kind} | {len(one.fit.epochs)} | {one.fit.best_epoch} |" in page
        assert f"{best:.5f}" in page
        assert f"![training curve of {one.kind}](data:image/svg+xml;base64," in page


def test_metrics_say_what_the_candidate_was_held_against(done: Done, done_live: Done) -> None:
    assert "; no champion to compare with." in render.metrics(done.plan, done.evaluated)
    live = done_live.evaluated
    assert "; no champion to compare with." in render.metrics(done_live.plan, live)
    displaced = live.incumbent.model_copy(update={"model_id": "old"})
    again = render.metrics(done_live.plan, live.model_copy(update={"incumbent": displaced}))
    assert "; champion old, which it displaced." in again


def test_metrics_have_every_rival_by_rank_bucket(done: Done) -> None:
    def titles(page: str) -> list[str]:
        rivals = ("each rival", "per_slice", "pooled", "champion")
        return [rival for rival in rivals if f"improvement of mtmd over {rival} by rank bucket" in page]

    assert titles(render.metrics(done.plan, done.evaluated)) == ["each rival", "per_slice", "pooled"]


def test_metrics_end_with_what_cuts_would_cost(done: Done) -> None:
    page = render.metrics(done.plan, done.evaluated)
    assert "**Replay on 2026-01-21, by value, whole requests: share of the heavyweight ranker's top 3" in page
    assert "| all | 3 |" in page
    assert "requests have two candidates or more" in page.splitlines()[-1]


def test_parity_has_a_row_per_file_and_batch_size(done: Done) -> None:
    page = render.parity(done.plan, done.proofs)
    assert "**Parity holds**" in page
    assert page.count("\n| query_") + page.count("\n| item_") == len(done.proofs.parity.files)
    assert "**Fresh process answers**" in page


def test_failed_proofs_stand_out(done: Done) -> None:
    parity = done.proofs.parity
    first = parity.files[0].model_copy(update={"score_delta": None})
    broken = parity.model_copy(update={"passed": False, "files": (first, *parity.files[1:])})
    fresh = done.proofs.fresh_process.model_copy(update={"passed": False})
    page = render.parity(done.plan, done.proofs.model_copy(update={"parity": broken, "fresh_process": fresh}))
    assert "**Parity FAILED**" in page
    assert "**Fresh process FAILED**" in page
    assert "| not finite |" in page


def test_the_verdict_lists_gates_places_and_what_was_reused(next_day: Run) -> None:
    summary = next_day.summary
    page = render.verdict(summary)
    assert page.startswith("## promoted\n")
    assert page.count("**: pass, ") == 7
    assert "shards 20 of 21" in page
    for place in summary.places.values():
        assert place in page
    assert f"The whole report: `{summary.places['report']}`" in page
    assert "file://" not in page
    assert "An earlier run took this decision" not in page
    assert page.splitlines()[2] == top_words(summary.report)
    assert "**LogMAE improvement of mtmd over each rival by rank bucket (0 = top), all tasks" in page
    assert cold_words(summary.verdict.cold) in page
    assert "\n| champion | ad_id | ctr | " in page
    assert "An earlier run took this decision" in render.verdict(
        summary.model_copy(update={"repeated": True})
    )


def test_the_report_and_its_data_quality_are_linked_where_they_are_served(next_day: Run) -> None:
    url = "http://127.0.0.1:4201/tiny/runs/x/report.html"
    page = render.verdict(next_day.summary, url)
    assert f"[report.html]({url}) ([data quality]({url}#data))" in page


def test_the_verdict_has_a_row_per_slice_of_each_rival(next_day: Run) -> None:
    summary = next_day.summary
    page = render.verdict(summary)
    champion = next(gate for gate in summary.verdict.gates if gate.name == "champion")
    one = next(one for one in champion.slices if one.judged)
    difference = f"{one.improvement:.2%} [{100 * one.low:.2f}, {100 * one.high:.2f}]"
    numbers = f"{one.reference:.4f} | {one.own:.4f} | {difference} | {one.decision} | {one.detectable:+.1%} |"
    assert f"| {one.surface} × {one.product} × {one.task} | {numbers}" in page
    assert "| slice | champion | candidate | difference | decision | smallest loss detected |" in page
    assert "| slice | baseline | candidate | difference | decision | smallest loss detected |" in page
    unjudged = "related_pin × shopping × ctr, related_pin × shopping × gctr"
    assert page.count(f"Not enough data: {unjudged}.") == 2


def test_an_ablation_says_what_is_not_compared_and_why(next_day: Run, tmp_path: Path) -> None:
    report = next_day.summary.report
    write_json(tmp_path / "report.json", report.model_dump(mode="json"))
    ablated = Ablation(
        paths=(str(tmp_path),), seeds=(0,), trained={"mtmd, seed 0": "k"}, missing=("post_norm: a reason",)
    )
    plan = plan_run(NEXT, TINY, logs=str(next_day.logs), artifacts=str(next_day.artifacts))
    page = render.ablation(plan, ablated)
    assert "Not compared: post_norm: a reason" in page
    assert page.count("**Contribution to LogMAE") == 4


def test_a_slice_that_blocks_stands_out(next_day: Run) -> None:
    summary = next_day.summary
    gates = summary.verdict.gates
    place = next(i for i, gate in enumerate(gates) if gate.name == "baseline")
    worse = gates[place].slices[0].model_copy(update={"decision": "worse", "low": None, "improvement": -0.03})
    gate = gates[place].model_copy(update={"slices": (worse,)})
    verdict = summary.verdict.model_copy(update={"gates": (gate,)})
    page = render.verdict(summary.model_copy(update={"verdict": verdict}))
    assert f"{worse.own:.4f} | -3.00% | **worse** | {worse.detectable:+.1%} |" in page
    assert "Not enough data" not in page


def test_lines_of_a_gates_words_do_not_break_the_list(next_day: Run) -> None:
    summary = next_day.summary
    gates = summary.verdict.gates
    odd = gates[0].model_copy(update={"passed": False, "detail": "a\n\n## b"})
    verdict = summary.verdict.model_copy(update={"gates": (odd, *gates[1:])})
    page = render.verdict(summary.model_copy(update={"verdict": verdict}))
    assert "- **data suites**: **fail**, a ## b\n" in page
