"""The lists of one day: how many values differ, nulls in them, and those that are too long or have unsound weights."""

from collections.abc import Iterator, Sequence

from mtmd.config import LONGEST_LIST, Feature
from mtmd.expectations.common import name
from mtmd.expectations.features import companion_column, length_column, nulls_column
from mtmd.project.engine import Connection, rows
from mtmd.project.findings import Finding, Part, counted, error, fact, warning


def distinct_in_lists(connection: Connection, table: str, feature: Feature) -> int:
    """How many values differ among those that are read, of a table of any size within some 2 %."""
    (row,) = rows(
        connection,
        f"select approx_count_distinct(value) as n from (select unnest({name(feature.name)}) as value from {table})",
    )
    return int(row["n"])


def list_findings(connection: Connection, table: str, features: Sequence[Feature]) -> Iterator[Finding]:
    """Of each list its length, and what is wrong with it."""
    for feature in features:
        place, length = f"{table}.{feature.name}", length_column(feature)
        columns = [
            f"avg({length}) as mean",
            f"max({length}) as longest",
            f"count(*) filter ({nulls_column(feature)} > 0) as holes",
            f"count(*) filter ({length} > {feature.max_length}) as cut",
            *(
                f"count(*) filter (not {companion_column(feature, what)}) as {what}"
                for what in feature.companions
            ),
        ]
        (row,) = rows(connection, f"select {', '.join(columns)} from {table}")
        longest = row["longest"] or 0
        yield fact(
            Part.FEATURES, place, f"lists of {row['mean'] or 0:.1f} values on average, {longest:,} at most"
        )
        if row["holes"]:
            text = f"{counted(row['holes'], 'list')} with a null inside"
            remedy = (
                f"leave nulls out: list_filter({feature.name}, lambda x: x is not null) as {feature.name}"
            )
            yield error(Part.FEATURES, place, text, remedy)
        if longest > LONGEST_LIST:
            remedy = f"write the first ones of each: list_slice({feature.name}, 1, {feature.max_length})"
            yield error(
                Part.FEATURES, place, f"a list of {longest:,} values; {LONGEST_LIST:,} are allowed", remedy
            )
        elif row["cut"]:
            text = f"{counted(row['cut'], 'list')} of more than max_length = {feature.max_length} values"
            yield warning(Part.FEATURES, place, text, "the rest is not read: raise max_length if it matters")
        for what, column in feature.companions.items():
            if row[what]:
                kind = "a text" if what == "actions" else "a number from 0 to 1e18"
                text = f"{counted(row[what], 'row')} without {kind} in {column} for each value"
                yield error(Part.FEATURES, place, text, "write one for each value of the list, in its order")
