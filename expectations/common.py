"""What the suites share: their vocabulary, and how one expectation is written down.

An expectation is a query of the rows that should not be there, keys first. Unlike the column expectations of
great-expectations, it says itself what happens on nulls and NaN, and its failure carries keys.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from pydantic import Field

from mtmd.config import Frozen
from mtmd.logs.sql import literal, quoted


class SuiteTable(StrEnum):
    """The tables that have a suite."""

    REQUESTS = "requests"
    ADS = "ads"
    CANDIDATES = "candidates"


class Severity(StrEnum):
    """Whether a failure stops the run or is only shown."""

    CRITICAL = "critical"
    WARNING = "warning"


class Needs(StrEnum):
    """What an expectation compares the day with; where that is missing, the expectation is not run."""

    NOTHING = "nothing"
    TRAILING = "trailing"
    PREVIOUS_DAY = "previous_day"


class Measure(StrEnum):
    """What of a day is compared with earlier days."""

    MIX = "domain_mix"
    SCORES = "mean_scores"
    NULLS = "null_rates"
    CATEGORIES = "categories"
    VOLUME = "volume"
    LABELS = "label_rates"


_MEASURES = {  # of each table, with what goes wrong where a measure is not as usual
    Measure.VOLUME: "A day with far more or fewer rows than usual was delivered twice, in part, or from another "
    "source.",
    Measure.NULLS: "A feature that goes missing in a domain, or is suddenly filled, shifts every score there, and the "
    "model learns its default instead of its values.",
    Measure.CATEGORIES: "Categories that are written otherwise than before are new to the model: what it learned of "
    "the old values is lost.",
    Measure.LABELS: "An action that is suddenly far more or less frequent was logged otherwise: what is measured on "
    "real actions says nothing then.",
    Measure.MIX: "Traffic moved between domains overnight: either part of a delivery is missing, or the model is "
    "trained for a mix that it will not serve.",
    Measure.SCORES: "The teacher's level moved in a domain: a new teacher or a broken join, and the model would be "
    "calibrated to a scale that no longer holds.",
}
_OF_SIDES = (Measure.VOLUME, Measure.NULLS, Measure.CATEGORIES)
_OF_CANDIDATES = (Measure.VOLUME, Measure.LABELS, Measure.MIX, Measure.SCORES)


class Expect(Frozen):
    """No row of `query` may exist."""

    name: str
    description: str = Field(description="what goes wrong downstream when it fails")
    query: str = Field(description="rows that should not be there; `{batch}` stands for the table under test")
    column: str | None = Field(None, description="column or columns it is about, comma-separated")
    severity: Severity = Severity.CRITICAL
    needs: Needs = Needs.NOTHING


def no_row(
    what: str,
    where: str,
    *,
    key: str,
    columns: Sequence[str],
    why: str,
    severity: Severity = Severity.CRITICAL,
) -> Expect:
    """`where` is true of no row; the samples have the `key`, which is SQL, and the values of the columns."""
    shown = ", ".join((key, *map(name, columns)))
    return Expect(
        name=what,
        column=", ".join(columns),
        description=why,
        query=f"select {shown} from {{batch}} where {where} order by all",
        severity=severity,
    )


def not_null(column: str, key: str, why: str) -> Expect:
    """`column` has a value in every row; the samples are the `key` of rows that lack it."""
    return no_row(f"{column}_not_null", f"{name(column)} is null", key=key, columns=(column,), why=why)


def one_of(column: str, known: tuple[str, ...], key: str, why: str) -> Expect:
    """`column` has one of the `known` values; nulls are `not_null`'s business."""
    where = f"{name(column)} not in ({listed(known)})"
    return no_row(f"{column}_known", where, key=key, columns=(column,), why=why)


def unique(columns: tuple[str, ...], why: str) -> Expect:
    """No two rows have the same values of `columns`; counted are values that repeat; nulls don't."""
    key = ", ".join(map(name, columns))
    return Expect(
        name=f"{'_'.join(columns)}_unique",
        column=", ".join(columns),
        description=why,
        query=f"""
            select {key}, count(*) as copies
            from {{batch}}
            where {" and ".join(f"{name(column)} is not null" for column in columns)}
            group by {key}
            having count(*) > 1
            order by all
        """,
    )


def unlike_earlier_days(table: SuiteTable, *, may_repeat: bool = False) -> Iterator[Expect]:
    """That a day is no copy of an earlier one, and as earlier days let expect.

    What would spoil the model stops the run: `<measure>_steady`. The rest is shown: `as_usual`.
    `mtmd/validate/deviations.py` compares the numbers.
    """
    for measure in _OF_CANDIDATES if table is SuiteTable.CANDIDATES else _OF_SIDES:
        yield Expect(
            name=f"{measure}_steady",
            description=_MEASURES[measure],
            needs=Needs.TRAILING,
            query=_deviations(f"side = '{table.value}' and measure = '{measure.value}' and stops"),
        )
    yield Expect(
        name="as_usual",
        description="More than days differ by chance, but in too small a domain, or by too little, to spoil the model: "
        "look at it before it grows.",
        severity=Severity.WARNING,
        needs=Needs.TRAILING,
        query=_deviations(f"side = '{table.value}' and not stops"),
    )
    if not may_repeat:
        yield Expect(
            name="content_is_new",
            description="An earlier day's files were delivered as today's: the model would train on the same "
            "rows twice, or be judged on rows that it was trained on.",
            needs=Needs.TRAILING,
            query=f"select day from copies where side = '{table.value}' order by all",
        )


def _deviations(where: str) -> str:
    return f"""
        select measure, domain, subject, round(observed, 6) as observed, round(usual, 6) as usual,
            round(lowest, 6) as lowest, round(highest, 6) as highest, round(share, 4) as share_of_candidates
        from deviations
        where {where}
        order by share desc, measure, domain, subject
    """


name = quoted  # a column in a query


def listed(values: tuple[str, ...]) -> str:
    """String constants as the inside of an SQL `in (…)`; an empty list matches only an empty string."""
    return ", ".join(map(literal, values)) or "''"
