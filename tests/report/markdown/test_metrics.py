"""What the artifacts of an evaluation and an ablation say."""

import shutil
from pathlib import Path

from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.report import EvaluationReport
from mtmd.report.markdown import metrics as render
from mtmd.report.standing import rival_name
from mtmd.run import plan_run
from mtmd.store.files import write_json
from tests.daily import Done
from tests.flows.runs import NEXT, TINY, Run


def test_metrics_say_what_the_candidate_was_held_against(done: Done, done_live: Done) -> None:
    assert "\n- no champion to compare with\n" in render.metrics(done.plan, done.evaluated)
    live = done_live.evaluated
    assert "\n- no champion to compare with\n" in render.metrics(done_live.plan, live)
    displaced = live.incumbent.model_copy(update={"model_id": "old"})
    again = render.metrics(done_live.plan, live.model_copy(update={"incumbent": displaced}))
    assert "\n- champion `old`, which it displaced\n" in again


def test_metrics_have_every_rival_by_rank_bucket(done: Done) -> None:
    def titles(page: str) -> list[str]:
        rivals = ("each rival", "per_slice", "pooled", "champion")
        return [rival for rival in rivals if f"improvement of mtmd over {rival} by rank bucket" in page]

    assert titles(render.metrics(done.plan, done.evaluated)) == ["each rival", "per_slice", "pooled"]


def test_slices_that_are_worse_than_a_rival_come_first_the_worst_before_all(done: Done) -> None:
    report = done.evaluated.report
    gates = done.plan.preset.gates
    planted = [
        ("search", "ctr", 0.7, -0.7),
        ("home_feed", "gctr", 1.1, -1.1),
        ("search", "gctr", 0.01, -0.01),
    ]
    changed = tuple(
        pair.model_copy(
            update=next(
                (
                    {"log_ratio": ratio, "standard_error": 0.01, "low": high - 0.5, "high": high}
                    for surface, task, ratio, high in planted
                    if (pair.reference, pair.surface, pair.product, pair.task, pair.bucket)
                    == ("pooled", surface, "standard", task, None)
                ),
                {"log_ratio": 0.0, "low": 0.0, "high": 0.5} if pair.bucket is None else {},
            )
        )
        for pair in report.comparisons
    )
    fields = {name: getattr(report, name) for name in EvaluationReport.model_fields}
    fresh = EvaluationReport(**(fields | {"comparisons": changed}))  # a copy would keep what it has looked up
    page = "\n".join(render._worse(fresh, ["pooled"], gates))
    rows = [line for line in page.splitlines() if rival_name(report, "pooled") in line]
    # 0.01 is one standard error
    assert [row.split(" | ")[0] for row in rows] == [
        "| home_feed × standard × gctr",
        "| search × standard × ctr",
    ]


def test_metrics_say_what_many_new_values_read(done: Done, tmp_path: Path) -> None:
    def page(share: int) -> str:
        report = done.evaluated.report
        cold = tuple(one.model_copy(update={"rows": share, "others": 100 - share}) for one in report.cold)
        copy = shutil.copytree(done.evaluated.path, tmp_path / str(share))
        write_json(copy / "report.json", report.model_copy(update={"cold": cold}).model_dump(mode="json"))
        return render.metrics(done.plan, done.evaluated.model_copy(update={"path": str(copy)}))

    assert "\n\nad_id: in 7% of the rows of " in page(7)
    assert "the value is new" not in page(4)


def test_metrics_end_with_what_cuts_would_cost(done: Done) -> None:
    page = render.metrics(done.plan, done.evaluated)
    assert "**Replay on 2026-01-21, by value, whole requests: share of the heavyweight ranker's top 3" in page
    assert "| all | 3 |" in page
    assert "requests have two candidates or more" in page.splitlines()[-1]


def test_an_ablation_says_what_is_not_compared_and_why(next_day: Run, tmp_path: Path) -> None:
    report = next_day.summary.report.model_dump(mode="json")
    write_json(tmp_path / "report.json", report)
    ablated = Ablation(
        paths=(str(tmp_path),), seeds=(0,), trained={"mtmd, seed 0": "k"}, missing=("post_norm: a reason",)
    )
    plan = plan_run(NEXT, TINY, logs=str(next_day.logs), artifacts=str(next_day.artifacts))
    page = render.ablation(plan, ablated)
    assert "- ✗ Not compared: post_norm: a reason" in page
    assert "**Contribution to LogMAE" not in page  # a table without rows
    for one in ("comparisons", "metrics"):
        key = "reference" if one == "comparisons" else "predictor"
        report[one] += [row | {key: "no_dcn"} for row in report[one] if row[key] == "pooled"]
    report["predictors"].append("no_dcn")
    write_json(tmp_path / "report.json", report)
    assert render.ablation(plan, ablated).count("**Contribution to LogMAE") == 4
