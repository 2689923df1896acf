"""What the suites share: their vocabulary, and how one expectation is written down.

An expectation is a query of the rows that should not be there, keys first. Unlike the column expectations of
great-expectations, it says itself what happens on nulls and NaN, and its failure carries keys.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from pydantic import Field

from mtmd.config import Frozen
from mtmd.logs.sql import literal, quoted


class Severity(StrEnum):
    """Whether a failure stops the run or is only shown."""

    CRITICAL = "critical"
    WARNING = "warning"


class Measure(StrEnum):
    """What of a day is compared with earlier days."""

    MIX = "domain_mix"
    SCORES = "mean_scores"
    NULLS = "null_rates"
    CATEGORIES = "categories"
    VOLUME = "volume"
    LABELS = "label_rates"
    ROWS = "row_counts"


_MEASURES = {  # with what goes wrong where one is not as usual
    Measure.VOLUME: "A day with far more or fewer rows than usual was delivered twice, in part, or from another "
    "source.",
    Measure.ROWS: "Far more or fewer rows than usual, as on a holiday, or where part of a delivery is missing: look "
    "whether it is whole.",
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
OF_SIDES = (Measure.VOLUME, Measure.ROWS, Measure.NULLS, Measure.CATEGORIES)
OF_CANDIDATES = (Measure.VOLUME, Measure.ROWS, Measure.LABELS, Measure.MIX, Measure.SCORES)


class Expect(Frozen):
    """No row of `query` may exist."""

    name: str
    description: str = Field(description="what goes wrong downstream when it fails")
    query: str = Field(description="rows that should not be there; `{batch}` stands for the table under test")
    column: str | None = Field(None, description="column or columns it is about, comma-separated")
    severity: Severity = Severity.CRITICAL
    where: str | None = Field(
        None, description="SQL that is true of all rows that matter to it, few if any; None where all rows do"
    )


HAS_ROWS = Expect(
    name="has_rows",
    description="On an empty table every other expectation holds, and nothing would be trained on.",
    query="select 0 as rows where not exists (from {batch})",
)


def no_row(what: str, where: str, *, key: str, columns: Sequence[str], why: str) -> Expect:
    """`where` is true of no row; the samples have the `key`, which is SQL, and the values of the columns."""
    shown = ", ".join((key, *map(name, columns)))
    return Expect(
        name=what,
        column=", ".join(columns),
        description=why,
        query=f"select {shown} from {{batch}} where {where} order by all",
        where=where,
    )


def not_null(column: str, key: str, why: str) -> Expect:
    """`column` has a value in every row; the samples are the `key` of rows that lack it."""
    return no_row(f"{column}_not_null", f"{name(column)} is null", key=key, columns=(column,), why=why)


def one_of(column: str, known: tuple[str, ...], key: str, why: str) -> Expect:
    """`column` has one of the `known` values; nulls are `not_null`'s business."""
    where = f"{name(column)} not in ({listed(known)})"
    return no_row(f"{column}_known", where, key=key, columns=(column,), why=why)


def unique(columns: tuple[str, ...], why: str) -> Expect:
    """No two rows have the same values of `columns`; counted are values that repeat; nulls don't.

    Hashes that repeat are found in a fraction of the time, and nearly always there is none.
    """
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
        where=f"hash({key}) in (select hash({key}) from {{batch}} group by all having count(*) > 1)",
    )


def steady(table: str, measures: Iterable[Measure]) -> Iterator[Expect]:
    """That a day is as the earlier days let expect: `mtmd/validate/deviations.py` compares the numbers."""
    for measure in measures:
        yield Expect(
            name=f"{measure}_steady",
            description=_MEASURES[measure],
            severity=Severity.WARNING if measure is Measure.ROWS else Severity.CRITICAL,
            query=f"""
                select domain, subject, round(observed, 6) as observed, round(usual, 6) as usual,
                    round(lowest, 6) as lowest, round(highest, 6) as highest
                from deviations
                where side = '{table}' and measure = '{measure.value}'
                order by all
            """,
        )


name = quoted  # a column in a query


def listed(values: tuple[str, ...]) -> str:
    """String constants as the inside of an SQL `in (…)`; an empty list matches only an empty string."""
    return ", ".join(map(literal, values)) or "''"
