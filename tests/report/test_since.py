"""What changed since the last champion, from stored validations and metrics."""

from datetime import date

import pytest

from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import Days, ShardRef
from mtmd.report.made import Difference, Made
from mtmd.report.since import Since, bands, level, since
from mtmd.store.files import write_text
from mtmd.validate.results import DayValidation, ExpectationResult, Status
from tests.inspect.conftest import Line, build, line, two_models
from tests.report.page.conftest import day, report

__all__ = ["build", "day", "line", "report", "two_models"]

FIRST, SECOND = date(2026, 1, 20), date(2026, 1, 21)
SAMPLE = {
    "domain": "search", "subject": "price", "observed": "0.41", "usual": "0.02", "lowest": "0.01", "highest": "0.03",
    "share_of_candidates": "0.3",
}  # fmt: skip


def _result(
    name: str, status: Status, *samples: dict[str, str], severity: str = "warning", **more: object
) -> ExpectationResult:
    values = {"table": "ads", "name": name, "description": "why", "severity": severity, "status": status}
    return ExpectationResult.model_validate(values | {"samples": samples} | more)


def test_numbers_beyond_their_bands_are_told_one_by_one() -> None:
    open_below = SAMPLE | {"subject": "topic", "lowest": "None"}
    days = [
        DayValidation(day=FIRST, results=(_result("null_rates_as_usual", Status.FAILED, SAMPLE),)),
        DayValidation(
            day=SECOND,
            results=(
                _result("null_rates_steady", Status.FAILED, SAMPLE, severity="critical"),
                _result("categories_as_usual", Status.FAILED, open_below, unexpected=4),
                _result("has_rows", Status.FAILED, SAMPLE),
            ),
        ),
    ]
    found = bands(days, SECOND)
    first = "ads: null rates of price in search, 0.41 where 0.02 is usual"
    assert found.words == f"5 numbers of 2026-01-21 beyond their bands, such as {first}."
    assert (found.kind, found.more) == ("bad", 3)
    nulls, categories = found.found
    assert (nulls.measure, nulls.domain, nulls.subject) == ("ads: null rates", "search", "price")
    assert (nulls.observed, nulls.usual, nulls.band, nulls.stops) == ("0.41", "0.02", "0.01 to 0.03", True)
    assert (categories.measure, categories.band, categories.stops) == (
        "ads: categories",
        "at most 0.03",
        False,
    )
    assert bands(days, FIRST).words.startswith(
        "6 numbers of 2026-01-20 to 2026-01-21 beyond their bands, such"
    )
    assert bands(days[:1], FIRST).words == f"1 number of 2026-01-20 beyond its band: {first}."


def test_of_many_numbers_the_page_has_those_that_stop_the_run_and_the_newest_first() -> None:
    warnings = [_result("null_rates_as_usual", Status.FAILED, *[SAMPLE] * 30)]
    stop = _result("domain_mix_steady", Status.FAILED, SAMPLE, severity="critical")
    days = [
        DayValidation(day=FIRST, results=(stop, *warnings)),
        DayValidation(day=SECOND, results=tuple(warnings)),
    ]
    found = bands(days, FIRST)
    assert [(one.stops, one.day) for one in found.found[:2]] == [(True, FIRST), (False, SECOND)]
    assert (len(found.found), found.more) == (40, 21)


def test_days_in_their_bands_and_days_that_could_not_be_judged_are_told_apart() -> None:
    held = DayValidation(day=SECOND, results=(_result("mean_scores_as_usual", Status.PASSED),))
    assert bands([held], SECOND).kind == "good"
    assert bands([held], SECOND).words.startswith(
        "All shares, null rates, mean scores and categories of 2026-01-21 are in"
    )
    skipped = _result("mean_scores_as_usual", Status.SKIPPED, message="no earlier day")
    young = DayValidation(day=SECOND, results=(skipped,))
    assert bands([young], SECOND).words == "not judged: no earlier day"
    assert bands([], SECOND).words == "not judged: no result is recorded"


@pytest.mark.parametrize("damaged", ["bundle.json", "manifest.json"])
def test_a_champion_that_was_damaged_since_costs_no_page(
    two_models: Line, report: EvaluationReport, damaged: str
) -> None:
    """It is not compared, where it is newer than a day of a backfill, so nothing has looked at its files."""
    write_text(two_models.registry.path("20260125-a1") / damaged, "{")
    shard = ShardRef(
        day=SECOND, fingerprint="f", path="gone", sources="s", requests=1, ads=1, candidates=1, reused=False
    )
    days, own = Days(window=(shard,), held_out=shard), Made("20260126-b1", None)
    declarations = two_models.preset.declarations
    found = since(two_models.workspace, "20260125-a1", own, days, declarations, [], report)
    assert found.values_note.startswith("not recorded: ")
    assert found.made is None
    assert found.notes[-1].startswith("how it was made can't be compared: ")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (None, ""),
        ((Difference(what="data", key="training days", first="a", second="b"),), ""),
        (
            (Difference(what="code", key="commit", first="a", second="b"),),
            "made in another way: 1 difference (code)",
        ),
        (
            tuple(Difference(what="preset", key=f"k{n}", first=None, second="v" * 40) for n in range(4)),
            f"made in another way: k0 not there → {'v' * 31}…, k1 not there → {'v' * 31}…, 2 other differences "
            "(preset)",
        ),
    ],
)
def test_what_is_made_in_another_way_is_named(made: tuple[Difference, ...] | None, words: str) -> None:
    found = Since("c", None, (), "", bands([], FIRST), (), made, (), ())
    assert found.made_words == words


def test_the_prediction_level_is_of_the_same_rows(report: EvaluationReport) -> None:
    """The candidate's log-probabilities are too low by 0.1, the champion's by 0.08."""
    rows = level(report)
    assert [row.task for row in rows] == ["ctr", "gctr", "octr"]
    assert rows[0].change == pytest.approx(2.718281828**-0.02 - 1)
    assert rows[0].own / rows[0].teacher == pytest.approx(2.718281828**-0.1)
