"""The test as a gate, in words and as tables, by numbers: 19 degrees of freedom, four metrics, 5 % of false alarms.

P(T > 3) = 0.00368 and P(T > 2.3) = 0.01648: four times the first is 0.015, the second 0.066.
"""

from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.config import Preset
from mtmd.extras.abtest.daily import ab_gate
from mtmd.extras.abtest.page import _words, outcome_tables
from tests.extras.abtest.made import planted

SHOWN = "metrics over all impressions are shown worse"
NOTHING: dict[str, float | None] = dict.fromkeys(("CPC", "CTR", "GCTR", "OCTR"))


@pytest.mark.parametrize(("metric", "errors"), [("CPC", 3.0), ("CTR", -3.0), ("GCTR", -3.0), ("OCTR", -3.0)])
def test_one_metric_that_is_worse_beyond_chance_fails_whichever_it_is(metric: str, errors: float) -> None:
    gate = ab_gate(planted(**{metric: errors}), 0.05)
    assert not gate.passed
    assert gate.detail.startswith(f"1 of 4 {SHOWN} ({metric}) than with the per-slice baselines: {metric} ")
    assert f"{metric} {'+3.05%' if errors > 0 else '−2.96%'}" in gate.detail
    assert ", p 0.015; " in gate.detail
    assert ab_gate(planted(**{metric: -errors}), 0.05).passed


def test_four_looks_are_more_than_one() -> None:
    """An interval at 95 % that is wholly on the bad side is not enough among four; alone it would be."""
    found = planted(CPC=2.3)
    low = found.whole[0].low
    assert low is not None
    assert low > 0
    gate = ab_gate(found, 0.05)
    assert gate.passed
    assert ", p 0.066; " in gate.detail
    assert not ab_gate(found, 0.07).passed
    assert not ab_gate(planted(**NOTHING | {"CPC": 2.3}), 0.05).passed


def test_what_cannot_be_judged_is_named_and_nothing_judged_is_no_pass() -> None:
    gate = ab_gate(planted(OCTR=None), 0.05)
    assert gate.passed
    assert gate.detail.startswith("0 of 3 metrics")
    assert gate.detail.endswith("; OCTR undefined and not judged")
    assert not ab_gate(planted(**NOTHING), 0.05).passed


def test_the_candidate_stands_against_each_rival_then_in_the_papers_tables() -> None:
    tested = planted("pooled", "champion", CTR=3.0)
    rivals, *papers = outcome_tables(tested)
    assert {row[0]: row[2] for row in rivals.texts()} == {
        "against per_slice": "3.05% [0.91, 5.22]",
        "against pooled": "1.01% [−1.09, 3.14]",
        "against champion": "1.01% [−1.09, 3.14]",
    }
    assert [table.title[:7] for table in papers] == ["Table 2", "Table 3", "Table 4"]


def test_in_words_only_what_chance_does_not_explain_differs() -> None:
    head = "Against the per-slice baselines, over all impressions: "
    assert _words(planted(CPC=-3.0, CTR=3.0, GCTR=2.0, OCTR=-3.0)) == (
        f"{head}better in CPC and CTR; worse in OCTR; not to be told apart in GCTR."
    )
    assert _words(planted(**NOTHING)) == f"{head}nothing to compare."
    assert planted(CTR=3.0, OCTR=None).words == (
        "mtmd against per_slice: CPC +0.00% [-2.07%, +2.12%], CTR +3.05% [+0.91%, +5.22%], "
        "GCTR +0.00% [-2.07%, +2.12%], OCTR undefined"
    )


def test_more_slots_than_ads_that_are_kept_are_refused(tiny_preset: Preset) -> None:
    values: dict[str, Any] = tiny_preset.model_dump() | {"extras": {"abtest": {"keep": 3}}}
    with pytest.raises(ValidationError, match=r"slots \(4\) must not exceed keep \(3\).*raise keep"):
        Preset.model_validate(values)
