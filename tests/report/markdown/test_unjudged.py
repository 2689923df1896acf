"""What artifacts say of slices that have too little data to be judged."""

from mtmd.config import GatesConfig
from mtmd.evaluate.report import EvaluationReport
from mtmd.report.markdown import metrics as render
from tests.report.page.conftest import day, report

__all__ = ["day", "report"]


def test_slices_that_nothing_is_known_of_are_not_called_as_good_as_a_rivals(report: EvaluationReport) -> None:
    actions = sorted(report.get("mtmd", where).positives for where in report.slices)
    assert actions[-2] < actions[-1]

    def words(least: int) -> str:
        return next(render._worse(report, ["constant"], GatesConfig(min_requests=2, min_actions=least)))

    assert words(0) == "✓ In no slice is the candidate worse than a rival."
    assert words(actions[-1]) == (
        f"✓ In none of 1 judged slices is the candidate worse than a rival; {len(actions) - 1} had too little data to "
        "judge."
    )
    assert words(actions[-1] + 1) == (
        "○ No slice has enough data to tell whether the candidate is worse than a rival."
    )
