"""Experiments in the paper's form."""

from mtmd.extras.abtest.arms import Alignment
from mtmd.extras.abtest.changes import METRICS, RelativeChange
from mtmd.extras.abtest.page import _section, _words, alignment_table, change_table, levels_table
from tests.extras.abtest.outcomes import planted


def change(kind: str, cell: str, metric: str, value: float | None) -> RelativeChange:
    bounds = (None, None) if value is None else (value - 0.01, value + 0.01)
    return RelativeChange(
        kind=kind,
        cell=cell,
        metric=metric,
        control=0.04,
        treatment=0.05,
        change=value,
        low=bounds[0],
        high=bounds[1],
        worse=None,
    )


def test_a_table_has_the_cells_of_its_kinds_as_relative_changes() -> None:
    found = [
        change(kind, cell, metric, None if (cell, metric) == ("shopping", "OCTR") else -0.0295)
        for kind, cell in (("all", "all"), ("surface", "home_feed"), ("product", "shopping"))
        for metric in METRICS
    ]
    table = change_table("Table 2", found, ("surface", "product"))
    assert [column.name for column in table.columns] == ["", "CPC", "CTR", "GCTR", "OCTR", "HDR", "RPR"]
    assert [row[0] for row in table.texts()] == ["home feed", "shopping"]
    assert table.texts()[0][1] == "−2.95% [−3.95, −1.95]"
    assert table.texts()[1][4] == "N/A"


def test_levels_and_alignment_have_a_row_per_ranker() -> None:
    levels = levels_table("levels", {"oracle": [change("all", "all", metric, 0.1) for metric in METRICS]})
    assert levels.texts() == [["oracle", *["0.0500"] * 6]]
    aligned = alignment_table(
        "agreement", {"mtmd": [Alignment(surface="home_feed", kept=0.75, winners=0.96)]}
    )
    assert [column.name for column in aligned.columns][1:] == ["kept, home feed", "winners, home feed"]
    assert aligned.texts() == [["mtmd", "0.7500", "0.9600"]]


def test_in_words_only_what_chance_does_not_explain_differs() -> None:
    def words(**errors: float | None) -> str:
        return _words(planted(**errors))

    head = "Against the per-slice baselines, over all impressions: "
    assert words(CPC=-3.0, CTR=3.0, GCTR=2.0, OCTR=-3.0, HDR=3.0, RPR=None) == (
        f"{head}better in CPC and CTR; worse in OCTR and HDR; not to be told apart in GCTR."
    )
    assert words() == f"{head}not to be told apart in CPC, CTR, GCTR, OCTR, HDR and RPR."
    assert _words(planted(CTR=3.0, follows={"HDR": "CTR", "RPR": "CTR"})) == (
        f"{head}better in CTR; not to be told apart in CPC, GCTR and OCTR. HDR and RPR follow from CTR in this world: "
        "no further evidence."
    )
    nothing: dict[str, float | None] = dict.fromkeys(("CPC", "CTR", "GCTR", "OCTR", "HDR", "RPR"))
    assert words(**nothing) == f"{head}nothing to compare."


def test_the_section_has_all_rankers_and_folds_the_papers_tables() -> None:
    section = _section(planted(unconstrained=True, HDR=30.0))
    assert (section.anchor, section.order) == ("ab-test", 65)
    *shown, paper, reference = section.blocks
    assert [table.title.split(",")[0] for table in shown] == [  # type: ignore[union-attr]
        "All rankers against per_slice", "mtmd against each rival",
    ]  # fmt: skip
    assert len(paper.blocks) == 4  # type: ignore[union-attr]
    assert len(reference.blocks) == 4  # type: ignore[union-attr]
