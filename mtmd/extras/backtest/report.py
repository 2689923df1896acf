"""What a backtest found: verdicts over days, as they are stored and as people read them."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Literal

import numpy as np
from pydantic import Field

from mtmd.config import EvaluationConfig, Frozen
from mtmd.evaluate.metrics import Floats
from mtmd.evaluate.report import Estimate
from mtmd.extras.backtest.contestants import Contestant
from mtmd.extras.backtest.measures import (
    AUC,
    BUCKET,
    LOG_LOSS,
    LOGMAE,
    NE,
    RECALL,
    ROWS,
    SLICES,
    WINNER_KL,
    DayFigures,
    OverDays,
    days_to_decide,
    differences,
    error_of,
    figures_of_days,
    improvement,
    over_days,
)
from mtmd.report.document import Document, Item, Items, Kind, Picture, Section, line_chart, page
from mtmd.report.tables import Column, Table, columns_of, enumerated, minus, short, time_words
from mtmd.store.files import digest, read_json, write_json, write_text
from mtmd.store.workspace import make_once

FORMAT = 1  # raise it whenever the same figures of days would give another report
REPORT, PAGE = "report.json", "report.html"
Verdict = Literal["better", "worse", "not distinguishable"]
_KINDS: dict[Verdict | None, Kind] = {"better": "good", "worse": "bad", "not distinguishable": "held"}
_PRIMARY = {ROWS: "over rows", SLICES: "over slices"}  # a verdict needs both
_MAIN = {
    ROWS: "{error}, rows",
    SLICES: "{error}, slices",
    f"{BUCKET} 0": "LogMAE, top bucket",
    RECALL: RECALL,
    WINNER_KL: WINNER_KL,
    LOG_LOSS: LOG_LOSS,
    AUC: "AUC",
}


class Result(Frozen):
    """One contestant; all that is a comparison is with the first one, which has none."""

    name: str
    words: str = Field(description="what it is")
    seeds: tuple[int, ...]
    window_days: int
    figures: dict[str, tuple[float | None, ...]] = Field(
        description="of each day; None where it is undefined"
    )
    seconds: tuple[float, ...] = Field(description="of training on each day, mean over seeds")
    gains: dict[str, Estimate] = Field(
        description="over days: shares of the first one's error, or differences of recall and AUC; positive is better"
    )
    by_day: dict[str, tuple[Estimate, ...]] = Field(
        description="likewise; intervals are over a day's requests"
    )
    verdict: Verdict | None
    days_to_decide: int | None = Field(
        description="None where they have decided, and where it can't be known"
    )

    def mean(self, figure: str) -> float | None:
        """Over the days that have it."""
        known = [value for value in self.figures[figure] if value is not None]
        return fmean(known) if known else None


class Backtest(Frozen):
    """Every contestant on every day; the first is what the others are compared with."""

    preset: str
    logs: str
    days: tuple[date, ...]
    rows: tuple[int, ...] = Field(description="of each held-out day")
    confidence: float
    results: tuple[Result, ...]
    path: str = Field("", description="its folder, where it is now")

    @property
    def error(self) -> str:
        """What is compared over rows and slices."""
        return error_of(self.results[0].figures)

    @property
    def words(self) -> str:
        """A verdict for each contestant."""
        of = f"{len(self.days)} days" if len(self.days) > 1 else f"{self.days[0]} alone"
        said = [f"{one.name} {one.verdict}" for one in self.results[1:]]
        return f"{of}: {', '.join(said) or 'nothing to compare with'}"


def conclude(contestants: Sequence[Contestant], measured: Sequence[DayFigures]) -> Backtest:
    """Compare over days, and write report and page, or take those of the same contestants and days."""
    plan = contestants[0].plans[-1]
    recipes = [one.model_dump(mode="json", exclude={"preset", "plans"}) for one in contestants]
    key = digest([FORMAT, recipes, [Path(day.path).name for day in measured]])
    final = plan.workspace.root / "backtests" / f"{plan.as_of}-{key[:16]}"

    def build(directory: Path) -> None:
        arrays = figures_of_days(measured)
        results = (
            _result(one, place, arrays, [day.seconds[place] for day in measured])
            for place, one in enumerate(contestants)
        )
        found = Backtest(
            preset=plan.preset.name,
            logs=plan.logs,
            days=tuple(day.day for day in measured),
            rows=tuple(day.rows for day in measured),
            confidence=EvaluationConfig.confidence,
            results=tuple(results),
        )
        above = "../../index.html", f"All days and runs of {plan.preset.name}"
        write_json(directory / REPORT, found.model_dump(mode="json"))
        write_text(directory / PAGE, page(document(found), *above))

    make_once(final, build)
    return Backtest.model_validate(read_json(final / REPORT) | {"path": str(final)})


def _result(
    contestant: Contestant, place: int, days: Sequence[Mapping[str, Floats]], seconds: Sequence[float]
) -> Result:
    names = tuple(dict.fromkeys(chain.from_iterable(days)))
    figures = {name: tuple(_known(day, name, place) for day in days) for name in names}
    apart = {
        name: [
            differences(name, day[name])[:, place]
            for day, value in zip(days, figures[name], strict=True)
            if value is not None
        ]
        for name in (names if place else ())
    }
    over = {name: _over(own) for name, own in apart.items() if own}
    primary = [over[name] for name in _PRIMARY if place]
    verdict = verdict_of(primary) if place else None
    return Result(
        name=contestant.name,
        words=contestant.words,
        seeds=contestant.seeds,
        window_days=len(contestant.plans[-1].days),
        figures=figures,
        seconds=tuple(seconds),
        gains={name: improvement(name, found) for name, found in over.items()},
        by_day={n: tuple(improvement(n, _over([day])) for day in apart[n]) for n in _PRIMARY if place},
        verdict=verdict,
        days_to_decide=wait_of(primary, len(days)) if verdict == "not distinguishable" else None,
    )


def _known(day: Mapping[str, Floats], name: str, place: int) -> float | None:
    value = day[name][0, place] if name in day else np.nan
    return float(value) if np.isfinite(value) else None


def _over(days: Sequence[Floats]) -> OverDays:
    return over_days(days, EvaluationConfig.confidence, EvaluationConfig.bootstrap_seed)


def verdict_of(found: Sequence[OverDays]) -> Verdict:
    """Better or worse where every interval says the same."""
    if all(one.is_sure and one.mean < 0.0 for one in found):
        return "better"
    return "worse" if all(one.is_sure and one.mean > 0.0 for one in found) else "not distinguishable"


def wait_of(found: Sequence[OverDays], days: int) -> int | None:
    """How many days would decide if the differences stay as they are.

    None where that can't be known of a single day, is more than a year, or where the differences have two signs.
    """
    waits = [days_to_decide(one, EvaluationConfig.confidence) for one in found]
    agree = len({one.mean > 0.0 for one in found}) == 1
    return max(wait or 0 for wait in waits) if days > 1 and agree and None not in waits else None


def document(found: Backtest) -> Document:
    """The page: verdicts, errors by day, figures, differences."""
    first, *others = found.results
    several = len(found.days) > 1
    claim = (
        f"Intervals are over {len(found.days)} days and their requests: they say what to expect of another day."
        if several
        else "One day: intervals are over its requests alone. Another day may say otherwise; give two days or more."
    )
    items = [
        Item(_KINDS[one.verdict], f"{one.name}: {one.verdict}", _verdict_words(one, found.error, several))
        for one in others
    ]
    facts = [
        ("days", f"{found.days[0]} to {found.days[-1]} ({len(found.days)}), {sum(found.rows):,} rows"),
        ("logs", found.logs),
        *(
            (one.name, f"{one.words}; {one.window_days} days, seed {enumerated([*map(str, one.seeds)])}")
            for one in found.results
        ),
    ]
    parts = [
        Section("verdicts", f"Against {first.name}", 0, [Items(items)]),
        Section(
            "days", "Errors by day", 1, [block for n in _PRIMARY for block in (_picture(found, n), _days(found, n))],
            how=f"The table has the improvement over {first.name}, with intervals over the day's requests.",
        ),
        Section(
            "figures", "Figures", 2, [_figures(found), *(_picture(found, n) for n in _PRIMARY if not others)],
            how="Means over days and seeds; lower is better, but for recall and AUC. The time is of one training.",
        ),
        Section(
            "gains", f"Improvement over {first.name}", 3, _gains(others, found.error),
            how="Each contestant was trained for each day on the days before it, never on the day itself. All are "
            f"compared on the same rows, in {found.confidence:.0%} intervals, each for itself: one of twenty equal "
            f"contestants passes for better or worse. A verdict needs the {found.error} over rows and over slices.",
        ),
    ]  # fmt: skip
    title = short(f"Backtest of {found.preset}, {found.words}", 120)  # characters
    return Document(title, "", (claim,) if others else (), facts, parts if others else parts[2:3])


def _verdict_words(one: Result, error: str, several: bool) -> str:
    gains = minus(" and ".join(f"{called} {one.gains[name]}" for name, called in _PRIMARY.items()))
    gains = gains.replace("[", "(").replace("]", ")")  # which Markdown would escape
    if one.verdict != "not distinguishable":
        return f"{error} {gains}{'' if several else '; on this day alone'}"
    if one.days_to_decide is not None:
        return f"{error} {gains}; {one.days_to_decide} days would decide, if they differ as these do"
    why = "these days show no such difference" if several else "one day does not tell how much days vary"
    return f"{error} {gains}; how many days would decide can't be known: {why}"


def _picture(found: Backtest, name: str) -> Picture:
    title = f"{found.error} {_PRIMARY[name]}, by held-out day"
    series = {one.name: one.figures[name] for one in found.results}
    return Picture(line_chart(title, series, (f"{found.days[0]}", f"{found.days[-1]}")), title)


def _figures(found: Backtest) -> Table:
    there = [name for name in _MAIN if name in found.results[0].figures]
    return Table(
        title="",
        columns=(
            Column(name="contestant", kind="text"),
            *columns_of("number", (_MAIN[name].format(error=found.error) for name in there)),
            Column(name="training", kind="text"),
        ),
        rows=tuple(
            (one.name, *(one.mean(name) for name in there), time_words(fmean(one.seconds)))
            for one in found.results
        ),
    )


def _gains(others: Sequence[Result], error: str) -> list[Table]:
    """Contestants × figures: the main ones, those by task, those by rank bucket."""
    there = others[0].gains if others else {}
    buckets = [name for name in there if name.startswith(BUCKET)]
    groups = {
        "": [name for name in _MAIN if name in there],
        "By task": [name for of in (LOGMAE, NE, AUC) for name in there if name.startswith(f"{of} ")],
        "LogMAE by rank bucket, 0 is the top": buckets,
    }
    return [
        Table(
            title=title,
            columns=(
                Column(name="contestant", kind="text"),
                *columns_of("estimate", (_MAIN.get(n, n).format(error=error) for n in names)),
            ),
            rows=tuple((one.name, *(one.gains.get(name) for name in names)) for one in others),
        )
        for title, names in groups.items()
        if names
    ]


def _days(found: Backtest, name: str) -> Table:
    """Days × contestants."""
    others = found.results[1:]
    return Table(
        title=f"{found.error} {_PRIMARY[name]}: improvement day by day",
        columns=(Column(name="day", kind="text"), *columns_of("estimate", (one.name for one in others))),
        rows=tuple((f"{day}", *(one.by_day[name][n] for one in others)) for n, day in enumerate(found.days)),
    )
