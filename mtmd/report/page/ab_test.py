"""The simulated A/B of the candidate (paper §3.3): all impressions first, the paper's tables and what bounds them."""

from dataclasses import dataclass

from mtmd.abtest.outcome import ABTest
from mtmd.promote.gates import AB_TEST, Verdict
from mtmd.report.page.charts import enumerated
from mtmd.report.page.comparisons import RIVAL_NAMES
from mtmd.report.tables.ab_test import bound_tables, change_table, paper_tables
from mtmd.report.tables.evaluation import Table


@dataclass(frozen=True)
class ABTestView:
    """The section: a sentence, over all impressions, the paper's tables, and the rest."""

    words: str
    whole: Table
    papers: tuple[Table, ...]
    bounds: tuple[Table, ...]
    last: int
    decided: bool


def ab_test_view(tested: ABTest, verdict: Verdict) -> ABTestView:
    """Tables 2 to 4, 5 (`last`) where the unconstrained model served, and whether the verdict has a gate of it."""
    return ABTestView(
        words=_words(tested),
        whole=change_table("All impressions", tested.whole, ("all",)),
        papers=paper_tables(tested),
        bounds=bound_tables(tested),
        last=5 if tested.has_unconstrained else 4,
        decided=any(gate.name == AB_TEST for gate in verdict.gates),
    )


def _words(tested: ABTest) -> str:
    """Which metrics differ: one that chance explains is neither better nor worse."""
    known = [one for one in tested.whole if one.change is not None]
    groups = {
        "better in": [one for one in known if one.significant and one.better],
        "worse in": [one for one in known if one.significant and not one.better],
        "not to be told apart in": [one for one in known if not one.significant],
    }
    said = "; ".join(
        f"{what} {enumerated([one.metric for one in found])}" for what, found in groups.items() if found
    )
    return f"Against the {RIVAL_NAMES[tested.control]}, over all impressions: {said or 'nothing to compare'}."
