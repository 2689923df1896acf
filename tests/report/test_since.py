"""What changed since the last champion, from stored records and metrics."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from mtmd.evaluate.report import EvaluationReport
from mtmd.report.since import since
from mtmd.validate.results import DayValidation, ExpectationResult, Status
from tests.inspect.conftest import SECOND, Line, build, line, metrics, two_models
from tests.report.conftest import day, report

__all__ = ["build", "day", "line", "report", "two_models"]

CHAMPION = "20260125-a1"


@dataclass
class Since:
    """The table's rows, by what they are of."""

    rows: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, line: Line, run: Path, report: EvaluationReport, *days: DayValidation) -> "Since":
        manifest = line.registry.manifest("20260126-b1")
        table = since(line.workspace, CHAMPION, run, manifest, days, report)
        return cls({str(what): (str(before), str(now)) for what, before, now in table.rows})


def _result(name: str, status: Status, **more: object) -> ExpectationResult:
    values = {"table": "ads", "name": name, "description": "why", "severity": "warning", "status": status}
    return ExpectationResult.model_validate(values | more)


def test_days_preset_packages_and_figures_that_differ_are_in_one_table(
    two_models: Line, report: EvaluationReport
) -> None:
    two_models.decide(CHAMPION, date(2026, 1, 25), preset={"a": {"epochs": 4}, "same": [1]})
    features = {"features": [{"name": "price", "side": "item", "bins": 8}], "same": [1]}
    run = two_models.decide(
        "20260126-b1", SECOND, preset={"a": {"epochs": 12}, **features}, packages={"torch": "3"}
    )
    rows = Since.of(two_models, run, report).rows
    assert rows["held-out day"] == ("2026-01-25", "2026-01-26")
    assert rows["training days"][1] == "2026-01-23 to 2026-01-25 (3)"
    assert rows["shared training days with other data or features"] == ("", "0 of 2")
    assert rows["preset.a.epochs"] == ("4", "12")
    assert rows["preset.features.item.price.bins"] == ("not there", "8")
    assert rows["packages.torch"] == ("2.13.0", "3")
    assert "preset.same" not in rows
    assert rows["LogMAE, ctr"][0] == "0.0800"
    assert rows["LogMAE, ctr"][1].startswith("0.1000 (-25.00% [")
    (level,) = [value for what, value in rows.items() if what.startswith("mean prediction, ctr (teacher ")]
    assert float(level[1]) / float(level[0]) == pytest.approx(2.718281828**-0.02, abs=1e-3)


def test_numbers_beyond_their_band_are_counted(two_models: Line) -> None:
    failed = _result("null_rates_as_usual", Status.FAILED, unexpected=4)
    passed = _result("mean_scores_steady", Status.PASSED)
    before = DayValidation(day=date(2026, 1, 24), results=(failed,))
    after = DayValidation(day=SECOND, results=(failed, passed, _result("has_rows", Status.FAILED)))
    rows = Since.of(two_models, two_models.workspace.root, metrics(SECOND, 0.4), before, after).rows
    found = {what: values for what, values in rows.items() if "beyond" in values[1]}
    assert found == {"2026-01-26: ads.null_rates_as_usual": ("", "4 numbers beyond their band")}
    assert rows["figures"] == ("not compared on this day", "")


def test_what_is_not_recorded_is_said(two_models: Line) -> None:
    """The champion's run is gone, and so is its model."""
    run = two_models.decide("20260126-b1", SECOND, preset={"a": 1})
    rows = Since.of(two_models, run, metrics(SECOND, 0.4)).rows
    assert rows["how it was made"] == ("not recorded", "")
    manifest = two_models.registry.manifest("20260126-b1")
    gone = since(two_models.workspace, "20200101-gone", run, manifest, [], metrics(SECOND, 0.4))
    assert gone.rows[0] == ("held-out day", "not recorded", "2026-01-26")


def test_a_run_like_the_champions_says_so(two_models: Line) -> None:
    two_models.decide(CHAMPION, date(2026, 1, 25), preset={"a": 1})
    run = two_models.decide("20260126-b1", SECOND, preset={"a": 1})
    assert Since.of(two_models, run, metrics(SECOND, 0.4)).rows["how it was made"] == (
        "",
        "as the champion was",
    )
