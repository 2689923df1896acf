"""New values in the gates' report, by hand: log ratios with a standard error of 0.1."""

from datetime import date

from mtmd.config import GatesConfig
from mtmd.evaluate.report import ColdMetrics, Comparison, EvaluationReport
from mtmd.promote.cold import cold_findings
from mtmd.report.evaluation import new_values_table

GATES = GatesConfig(min_requests=50)


def pair(reference: str, task: str, ratio: float, requests: float = 100.0) -> Comparison:
    """An interval of two standard errors about the ratio."""
    return Comparison(
        reference=reference, surface="all", product="all", task=task, bucket=None, requests=requests,
        log_ratio=ratio, standard_error=0.1, low=-ratio - 0.2, high=-ratio + 0.2,
    )  # fmt: skip


def report(*cold: tuple[Comparison, ...], predictors: tuple[str, ...]) -> EvaluationReport:
    return EvaluationReport(
        as_of=date(2026, 1, 21),
        candidate="mtmd",
        predictors=("mtmd", *predictors),
        buckets=10,
        metrics=(),
        comparisons=(),
        cold=tuple(
            ColdMetrics(
                feature="ad_id",
                task=pairs[0].task,
                rows=180,
                others=9000,
                logmae={"mtmd": 0.5} | dict.fromkeys(predictors, 0.6),
                logmae_of_others={"mtmd": 0.3} | dict.fromkeys(predictors, 0.4),
                comparisons=pairs,
            )
            for pairs in cold
        ),
        confidence=0.95,
    )


def test_a_loss_is_worse_only_beyond_the_rivals_tolerance_and_all_that_was_looked_at() -> None:
    """P(Z > 2.2) = 0.0139 and twice that is 0.028; with two more tasks, 4 × 0.0139 = 0.056."""
    found = report((pair("pooled", "ctr", 0.22),), (pair("pooled", "gctr", -0.3),), predictors=("pooled",))
    assert [one.decision for one in cold_findings(found, GATES)] == ["worse", "better"]
    tasks = {"ctr": 0.22, "gctr": -0.3, "octr": 0.0, "cvr": 0.0}
    more = report(*((pair("pooled", task, ratio),) for task, ratio in tasks.items()), predictors=("pooled",))
    assert [one.decision for one in cold_findings(more, GATES)] == [
        "not shown worse", "better", "not shown worse", "not shown worse",
    ]  # fmt: skip
    tolerant = GATES.model_copy(update={"champion_tolerance": 0.1})
    champion = report((pair("champion", "ctr", 0.22),), predictors=("champion",))
    assert [one.decision for one in cold_findings(champion, GATES)] == ["worse"]
    assert [one.decision for one in cold_findings(champion, tolerant)] == ["not shown worse"]


def test_few_requests_are_not_judged_and_do_not_count_among_what_was() -> None:
    found = report(
        (pair("pooled", "ctr", 0.22),), (pair("pooled", "gctr", 9.0, requests=49.0),), predictors=("pooled",)
    )
    assert [one.decision for one in cold_findings(found, GATES)] == ["worse", "not enough data"]


def test_every_rival_has_its_findings_and_the_constant_none() -> None:
    rivals = ("per_slice", "pooled", "constant", "champion")
    found = cold_findings(report(tuple(pair(one, "ctr", -0.3) for one in rivals), predictors=rivals), GATES)
    assert [one.rival for one in found] == ["champion", "per_slice", "pooled"]
    assert (found[0].own, found[0].reference, found[0].rows) == (0.5, 0.6, 180)
    row = new_values_table(found).texts()[0]
    assert row == ["ad_id", "ctr", "champion", "180", "0.5000", "0.6000", "25.92% [10.00, 50.00]", "better"]


def test_a_day_without_new_values_says_so() -> None:
    assert cold_findings(report(predictors=("pooled",)), GATES) == ()
