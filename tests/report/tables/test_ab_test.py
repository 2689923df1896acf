"""Experiments in the paper's form."""

from mtmd.abtest.arms import Alignment
from mtmd.abtest.changes import METRICS, RelativeChange
from mtmd.report.tables.ab_test import alignment_table, change_table, levels_table


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
