import math

import pytest

from mtmd.evaluate.report import Estimate
from mtmd.report.page.heat_map import HeatCell, estimate_cell, estimates_map, factors_map, full_colour
from mtmd.report.tables.evaluation import Cell, Column, Table, columns_of


def test_a_cell_has_its_value_its_interval_and_half_the_colour() -> None:
    cell = estimate_cell(Estimate(value=0.05, low=0.01, high=0.09), 0.10)
    assert cell == HeatCell("5.00%", "[1.00, 9.00]", 0.5, sure=True)
    assert cell.sign == "up"


def test_an_interval_with_zero_in_it_is_not_sure() -> None:
    cell = estimate_cell(Estimate(value=-0.02, low=-0.05, high=0.01), 0.10)
    assert (cell.sure, cell.sign, cell.shade) == (False, "down", pytest.approx(-0.2))
    assert estimate_cell(Estimate(value=-0.02, low=-0.05, high=-0.01), 0.10).sure


def test_a_number_of_too_few_requests_for_an_interval_is_not_sure() -> None:
    assert not estimate_cell(Estimate(value=-0.02), 0.10).sure


def test_beyond_the_full_colour_there_is_no_more() -> None:
    assert estimate_cell(Estimate(value=-3.0), 1.0).shade == -1.0


def test_what_is_no_number_stands_as_it_is() -> None:
    assert estimate_cell("N/A", 0.1) == HeatCell("N/A", sure=False, number=False)
    assert estimate_cell(None, 0.1).text == "–"
    assert estimate_cell(None, 0.1).sign == ""


@pytest.mark.parametrize(
    ("values", "full"), [([], 0.02), ([0.062, -0.1], 0.10), ([0.11], 0.25), ([-7.0], 1.0)]
)
def test_full_colour_is_a_round_share(values: list[float], full: float) -> None:
    assert full_colour(values) == full


def table(*names: str, cells: tuple[Cell, ...]) -> Table:
    columns = (Column(name="task", kind="text"), *columns_of("estimate", names))
    return Table(title="t", columns=columns, rows=(("ctr", *cells),))


def test_a_map_has_the_legend_of_its_own_scale() -> None:
    found = estimates_map(table("0", "all", cells=(Estimate(value=0.2), None)))
    assert (found.corner, found.columns, found.rows[0][0]) == (("task",), ("0", "all"), ("ctr",))
    assert [step.text for step in found.legend] == ["−25%", "−12.5%", "0", "+12.5%", "+25%"]
    assert found.rows[0][1][0].shade == pytest.approx(0.8)
    given = estimates_map(table("all", cells=(Estimate(value=0.2),)), 0.5)
    assert given.rows[0][1][0].shade == pytest.approx(0.4)


def test_factors_are_coloured_around_one() -> None:
    found = factors_map("gates", "feature", ["standard", "shopping"], [("bid", [1.2, math.nan])])
    assert [cell.text for cell in found.rows[0][1]] == ["1.20", "–"]
    assert found.rows[0][1][0].shade == pytest.approx(0.8)
    assert [step.text for step in found.legend] == ["0.75", "0.875", "1", "1.125", "1.25"]
