"""What rankers did in the funnel, as tables and in words."""

import pytest

from mtmd.extras.abtest.outcome import ABTest
from mtmd.extras.abtest.page import outcome_tables, paper_tables, reference_tables, whole_tables
from tests.extras.abtest.outcomes import planted


def test_the_papers_tables_come_first_and_table_5_only_with_the_unconstrained_model() -> None:
    without, whole = planted(CTR=3.0), planted(CTR=3.0, unconstrained=True)
    titles = [table.title for table in paper_tables(whole)]
    assert titles == [
        "Table 2, by surface: mtmd against per_slice",
        "Table 3, by product: mtmd against per_slice",
        "Table 4, by goal: mtmd against per_slice",
        "Table 5, constrained against unconstrained",
    ]
    assert [table.title for table in paper_tables(without)] == titles[:3]
    for one, rankers in ((without, 5), (whole, 6)):
        assert outcome_tables(one) == (*whole_tables(one), *paper_tables(one), *reference_tables(one))
        won, lost, levels, agreement = reference_tables(one)
        assert (won.title, lost.title) == (
            "What the truth wins: oracle against per_slice",
            "What chance loses: chance against per_slice",
        )
        assert len(levels.rows) == len(agreement.rows) == rankers
    assert paper_tables(whole)[3].texts()[0][2] == "1.01% [−1.09, 3.14]"  # e^0.01, and 2.093 errors about it
    assert ABTest.model_validate_json(whole.model_dump_json()) == whole


def test_all_rankers_stand_side_by_side_and_the_candidate_against_each_rival() -> None:
    tested = planted(CTR=3.0, rivals=("pooled", "champion"))
    everybody, rivals = whole_tables(tested)
    assert everybody.title == "All rankers against per_slice, all impressions"
    assert {row[0]: row[2].split()[0] for row in everybody.texts()} == {
        "the truth": "5.13%", "heavyweight ranker": "0.00%", "mtmd": "3.05%", "pooled": "2.02%", "champion": "2.02%",
        "random scores": "−39.35%",
    }  # fmt: skip
    assert {row[0]: row[2] for row in rivals.texts()} == {
        "against per_slice": "3.05% [0.91, 5.22]",
        "against pooled": "1.01% [−1.09, 3.14]",
        "against champion": "1.01% [−1.09, 3.14]",
    }
    assert [row[0] for row in whole_tables(planted())[1].rows] == ["against per_slice"]
    assert len(reference_tables(tested)[2].rows) == 7  # everybody's levels


def test_what_follows_from_another_metric_is_not_evidence_of_its_own() -> None:
    found = planted(CTR=3.0, follows={"HDR": "CTR", "RPR": "CTR"})
    assert [one.metric for one in found.distinct] == ["CPC", "CTR", "GCTR", "OCTR"]
    assert found.following_words == "HDR and RPR follow from CTR in this world"
    assert planted().distinct == planted().whole
    assert planted().following_words == ""


def test_a_level_is_the_rankers_own_and_the_control_has_its_own_too() -> None:
    levels = {row[0]: row[2] for row in reference_tables(planted(CTR=3.0))[2].rows}
    assert levels["per_slice"] == 0.1
    assert levels["mtmd"] == pytest.approx(0.1 * 1.0304545)  # e^0.03


def test_words_are_of_all_impressions() -> None:
    found = planted(CTR=3.0, OCTR=None)
    assert [one.metric for one in found.whole] == ["CPC", "CTR", "GCTR", "OCTR", "HDR", "RPR"]
    assert found.words.startswith(
        "mtmd against per_slice: CPC +0.00% [-2.07%, +2.12%], CTR +3.05% [+0.91%, +5.22%], "
    )
    assert ", OCTR undefined, " in found.words
