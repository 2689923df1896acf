"""Which slices moved since the champion, and the section as the page has it."""

from dataclasses import replace
from datetime import date

from mtmd.config import GatesConfig, Preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EvaluationReport
from mtmd.report.made import Difference
from mtmd.report.page.render import ReportInputs, render_report
from mtmd.report.page.since import movement
from mtmd.report.rewritten import Found, Rewritten
from mtmd.report.shard_changes import Change, Values
from mtmd.report.since import Bands, Beyond, Since, level
from mtmd.report.values import ValueChange
from tests.report.page.conftest import CHAMPION, GATES, changed, evaluate


def sample(report: EvaluationReport) -> Since:
    """Everything that the section can show, with long words."""
    beyond = Beyond(
        date(2026, 1, 21), "ads: null rates", "shopping", "price", "0.41", "0.02", "0.01 to 0.03", True
    )
    return Since(
        champion=CHAMPION,
        as_of=date(2026, 1, 20),
        values=(ValueChange("ad_id", 1234, 5, 100), ValueChange("topic", 0, 0, 9)),
        values_note="",
        bands=Bands("4 numbers of 2026-01-21 beyond their bands.", "bad", (beyond,), 3),
        level=level(report),
        made=(
            Difference(what="preset", key="training.epochs", first="4", second="12"),
            Difference(
                what="expectation", key="ads: " + "long_name_" * 6, first=None, second="critical 0123456789"
            ),
            Difference(what="data", key="training days", first="a" * 90, second="b " * 60),
        ),
        notes=("SQL and expectations of the champion: not recorded (an older record)",),
        sql=(("source_ads", ("@@ -1 +1 @@", "-    bid < 1", "+    bid / 100 as bid")),),
        rewritten=Rewritten(
            (date(2026, 1, 15), date(2026, 1, 16)),
            19,
            (
                Found(
                    Change("ads", "price", "shopping", 52, Values(52, 0, 520.0), Values(52, 0, 52000.0)),
                    (date(2026, 1, 15),),
                ),
            ),
            2,
            ("2026-01-16 changed in requests (the shard that the champion saw is gone)",),
        ),
    )


def test_slices_that_moved_beyond_noise_are_told_from_the_others(
    report: EvaluationReport, day: HeldOutDay, tiny_preset: Preset
) -> None:
    found = movement(report, GATES)
    assert found.words == (
        "0 of 15 slices better, 15 worse than the champion; 15 moved, where chance alone moves about 0.8 of 15."
    )
    assert {one.kind for one in found.slices} == {"bad"}
    assert movement(evaluate(day, tiny_preset, mtmd=0.1, per_slice=0.2), GATES).words.startswith(
        "The champion was not"
    )
    few = movement(report, GatesConfig(min_requests=1000))
    assert few.words == "0 of 0 slices better, 0 worse, 15 not judged than the champion."


def test_one_slice_of_many_may_move_by_chance(report: EvaluationReport) -> None:
    """2.2 standard errors are p 0.028: of one slice beyond chance, of 15 slices not."""
    pairs = [
        pair.model_copy(update={"log_ratio": -0.022, "standard_error": 0.01, "low": 0.002, "high": 0.041})
        if pair.slice == report.slices[0]
        else pair.model_copy(update={"log_ratio": 0.0, "standard_error": 0.01, "low": -0.02, "high": 0.02})
        for pair in report.comparisons
    ]
    found = movement(changed(report, comparisons=tuple(pairs), seed_noise=0.0), GATES)
    assert found.words == (
        "1 of 15 slices better, 0 worse than the champion; 1 moved, where chance alone moves about 0.8 of 15."
    )
    (moved,) = found.slices
    assert (moved.slice, moved.errors, moved.kind, moved.words) == (
        str(report.slices[0]),
        "2.2",
        "good",
        "better",
    )
    (noisy,) = movement(changed(report, comparisons=tuple(pairs), seed_noise=0.05), GATES).slices
    assert noisy.words == "better; less than another training seed may change (5%)"


def test_the_section_shows_values_bands_level_and_how_it_was_made(inputs: ReportInputs) -> None:
    page = render_report(replace(inputs, since=sample(inputs.evaluation)))
    section = page[page.index('<section id="since">') : page.index('<section id="rivals">')]
    for words in (
        '<th scope="row">ad_id</th><td class="n">1,234</td><td class="n">5</td>',
        "The same values as before: topic.",
        "<td>ads: null rates</td><td>shopping</td><td>price</td>",
        "and 3 more;",
        '<code>training.epochs</code></td><td class="minus">4</td><td class="plus">12</td>',
        'class="minus">not there</td>',
        '<span class="minus">-    bid &lt; 1</span>',
        "SQL and expectations of the champion: not recorded",
        "<b>−2.0%</b>",
    ):
        assert words in section, words
    first_screen = page[: page.index("<nav>")]
    assert '<span class="bad">4 numbers of 2026-01-21 beyond their bands</span>' in first_screen
    words = (
        "2 of 19 training days were rewritten since the champion saw them (2026-01-15, 2026-01-16): ads: price in "
        "shopping, mean 10 → 1000, 100% of its rows differ"
    )
    assert f'<span class="held">{words}</span>' in first_screen
    for part in (
        '<td>ads</td><td>price</td><td>shopping</td><td class="n">52<small>100%</small></td>',
        '<td class="n">mean 10</td><td class="n"><b>1000</b></td><td>2026-01-15</td>',
        "and 2 more.",
        "2026-01-16 changed in requests (the shard that the champion saw is gone).",
    ):
        assert part in section, part
    assert (
        "made in another way: training.epochs 4 → 12, 1 other difference (expectation)</span>" in first_screen
    )
    assert "Not recorded." in render_report(inputs)
    first = inputs.verdict.model_copy(update={"champion": None})
    assert "There is no champion to compare with: not applicable." in render_report(
        replace(inputs, verdict=first)
    )


def test_slices_that_could_not_be_judged_are_not_called_unchanged(inputs: ReportInputs) -> None:
    scarce = inputs.gates.model_copy(update={"min_requests": 1e9})
    page = render_report(replace(inputs, since=sample(inputs.evaluation), gates=scarce))
    assert "No slice was judged." in page
    assert "None: each difference is one that chance makes." not in page
