"""A test in words and as tables, by numbers; and settings that do not fit."""

from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.config import Preset
from mtmd.extras.abtest.tables import _words, outcome_tables
from tests.extras.abtest.made import planted

NOTHING: dict[str, float | None] = dict.fromkeys(("CPC", "CTR", "GCTR", "OCTR"))


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
