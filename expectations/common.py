"""What the suites share: their vocabulary, and how one expectation is written down.

An expectation is a query of the rows that should not be there, keys first. Unlike the column expectations of
great-expectations, it says itself what happens on nulls and NaN, and its failure carries keys.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mtmd.logs.sql import bare_sql, literal, quoted

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.expectations import UnexpectedRowsExpectation


HAS_ROWS = "has_rows"  # the expectation that each suite starts with


class SuiteTable(StrEnum):
    """The tables that have a suite."""

    REQUESTS = "requests"
    ADS = "ads"
    CANDIDATES = "candidates"
    WINDOW = "window"


class Severity(StrEnum):
    """Whether a failure stops the run or is only shown."""

    CRITICAL = "critical"
    WARNING = "warning"


class Needs(StrEnum):
    """What an expectation compares the batch with, or a column that logs may lack.

    Where it is missing, the expectation is skipped, and says so.
    """

    NOTHING = "nothing"
    TRAILING = "trailing"
    PREVIOUS_DAY = "previous_day"
    POSITION = "position"


class Measure(StrEnum):
    """What of a day is compared with earlier days."""

    MIX = "domain_mix"
    SCORES = "mean_scores"
    NULLS = "null_rates"
    CATEGORIES = "categories"
    VOLUME = "volume"
    LABELS = "label_rates"
    MAGNITUDES = "magnitudes"
    CONSTANT = "constancy"


@dataclass(frozen=True)
class Expect:
    """No row of `query` may exist; `{batch}` in it stands for the table under test, `{where}` for `where`.

    `where` is a condition on single rows. `query` has no row where `prompt`, a cheaper query, has none.
    `description` says what goes wrong downstream when it fails.
    """

    name: str
    description: str
    query: str
    where: str | None = None
    prompt: str | None = None
    column: str | None = None
    severity: Severity = Severity.CRITICAL
    needs: Needs = Needs.NOTHING


def build_suite(batch: SuiteTable, expectations: Iterable[Expect]) -> "ExpectationSuite":
    """A suite that starts with at least one row, then holds `expectations` in their order."""
    # Imported here: it takes seconds, and most users of this package's names never build a suite.
    from great_expectations import ExpectationSuite  # noqa: PLC0415
    from great_expectations.expectations import (  # noqa: PLC0415
        ExpectTableRowCountToBeBetween,
        UnexpectedRowsExpectation,
    )

    rows = ExpectTableRowCountToBeBetween(
        min_value=1,
        description="On an empty table every other expectation holds, and nothing would be trained on.",
        severity=Severity.CRITICAL.value,
        meta={"name": HAS_ROWS, "column": None, "needs": Needs.NOTHING.value},
    )
    others = [
        UnexpectedRowsExpectation(
            unexpected_rows_query=_for_great_expectations(expect),
            description=expect.description,
            severity=expect.severity.value,
            meta={"name": expect.name, "column": expect.column, "needs": expect.needs.value},
        )
        for expect in expectations
    ]
    # Given as a list: adding them one by one needs an active great-expectations project.
    return ExpectationSuite(name=batch.value, expectations=[rows, *others])


def found_sql(expectations: Iterable["UnexpectedRowsExpectation"], batch: str) -> str:
    """Query of the names of those of some expectations on a table that find rows; at least one is asked.

    Great-expectations takes some milliseconds for each expectation, whatever it asks, and runs every query twice. On a
    sound day this one is enough.
    """
    return "\nunion all\n".join(
        f"select {literal(expectation.meta['name'])} as expectation, count(*) as found "
        f"from (\n{_plain(expectation.unexpected_rows_query, batch)}\n) having count(*) > 0"
        for expectation in expectations
    )


def not_null(column: str, key: str, why: str) -> Expect:
    """`column` has a value in every row; the rows of `key` that lack it are the samples."""
    return Expect(
        name=f"{column}_not_null",
        column=column,
        description=why,
        query=f"select {key} from {{batch}} where {{where}} order by all",
        where=f"{name(column)} is null",
    )


def unique(columns: tuple[str, ...], why: str) -> Expect:
    """No two rows have the same values of `columns`; counted are values that repeat; nulls don't."""
    key = ", ".join(name(column) for column in columns)
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


def one_of(column: str, known: tuple[str, ...], key: str, why: str) -> Expect:
    """`column` has one of the `known` values; nulls are `not_null`'s business."""
    return Expect(
        name=f"{column}_known",
        column=column,
        description=why,
        query=f"select {key}, {name(column)} from {{batch}} where {{where}} order by all",
        where=f"{name(column)} not in ({listed(known)})",
    )


def content_is_new(batch: SuiteTable, digest: str) -> Expect:
    """The table's content, whose digest is what the query `digest` gives, differs from every trailing day's."""
    return Expect(
        name="content_is_new",
        description="An earlier day's files were delivered as today's: the model would train on the same "
        "rows twice, or be judged on rows that it was trained on.",
        needs=Needs.TRAILING,
        query=f"""
            select day, digest
            from trailing_digests
            where side = '{batch.value}' and digest = ({digest})
            order by all
        """,
    )


def steady(side: SuiteTable, measure: Measure, column: str, why: str) -> tuple[Expect, Expect]:
    """That a day is as earlier days let expect: two expectations for each number that is compared.

    What would spoil the model stops the run: `<measure>_steady`. The rest is shown: `<measure>_as_usual`.
    `mtmd/validate/deviations.py` compares the numbers and fills the table `deviations`.
    """
    query = f"""
        select domain, subject, round(observed, 6) as observed, round(usual, 6) as usual,
            round(lowest, 6) as lowest, round(highest, 6) as highest, round(share, 4) as share_of_candidates
        from deviations
        where side = '{side.value}' and measure = '{measure.value}' and <stops>
        order by share desc, domain, subject
    """
    stops = Expect(
        name=f"{measure}_steady",
        column=column,
        description=why,
        needs=Needs.TRAILING,
        query=query.replace("<stops>", "stops"),
    )
    shown = replace(
        stops,
        name=f"{measure}_as_usual",
        description="More than days differ by chance, but in too small a domain, or by too little, to spoil the model: "
        f"look at it before it grows. {why}",
        severity=Severity.WARNING,
        query=query.replace("<stops>", "not stops"),
    )
    return stops, shown


def digest_sql(source: str) -> str:
    """Query of a table's content as text, whatever the order of its rows and the number of its files.

    `source` has "row.hash", the hash of a row's columns. DuckDB promises it within one version only, so the version is
    part of the text: after an upgrade a copy of an older day goes unnoticed here (its request ids do not), and nothing
    is taken for one wrongly.
    """
    parts = 'count(*), bit_xor("row.hash"), sum(cast("row.hash" >> 32 as hugeint))'
    return f"select concat_ws('-', version(), {parts}) as digest from {source}"


name = quoted  # a column in a query


def listed(values: tuple[str, ...]) -> str:
    """String constants as the inside of an SQL `in (…)`; an empty list matches only an empty string."""
    return ", ".join(map(literal, values)) or "''"


def _for_great_expectations(expect: Expect) -> str:
    """Protect braces, which great-expectations would fill in, and colons, which SQLAlchemy would bind.

    A query of what was summarised of the batch names it in a comment, or great-expectations prints a warning.
    """
    query = expect.query if expect.where is None else expect.query.replace("{where}", f"({expect.where})")
    # great-expectations writes on behind it, which a comment at its end would swallow
    query = bare_sql(query)
    if "{batch}" not in query:
        query += "/* {batch} */"
    return "{batch}".join(map(_protected, query.split("{batch}")))


def _protected(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}").replace(":", "\\:")


def _plain(query: str, batch: str) -> str:
    """A query as it was before it was protected, of a table."""
    parts = (
        part.replace("{{", "{").replace("}}", "}").replace("\\:", ":") for part in query.split("{batch}")
    )
    return batch.join(parts)
