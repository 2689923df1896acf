"""The features of one day: nulls, distinct values, collisions of hashed categories, constants, vectors and lists."""

from collections.abc import Iterator
from math import ceil, log, log10
from typing import NamedTuple

from mtmd.config import Feature, Preset, SideSchema
from mtmd.expectations.common import listed, name
from mtmd.expectations.features import finite_column, length_column, missing_sql
from mtmd.project.columns import MendedTable
from mtmd.project.day_lists import distinct_in_lists, list_findings
from mtmd.project.engine import Connection, rows
from mtmd.project.findings import Finding, Part, counted, error, fact, warning

_EXACT_ROWS = 1_000_000
MOST_COLLIDING = 0.1  # share of a feature's values that meet another one in their bucket


class FeatureCounts(NamedTuple):
    """Rows of the domains that have the feature; how many of them lack a value; how many values differ."""

    rows: int
    missing: int
    distinct: int

    @property
    def null_share(self) -> float:
        return self.missing / self.rows if self.rows else 0.0


def check_features(
    connection: Connection, preset: Preset, mended: dict[str, MendedTable]
) -> Iterator[Finding]:
    """A fact for each feature that has a column, and what is wrong with it."""
    sides = (("requests", "surface", preset.declarations.query), ("ads", "product", preset.declarations.item))
    for table, domain, schema in sides:
        features = [feature for feature in schema.fields if feature.name not in mended[table].unknown]
        if not features or domain in mended[table].unknown:
            continue
        for feature, counts in zip(features, _counts(connection, table, domain, features), strict=True):
            yield from _of_feature(f"{table}.{feature.name}", feature, counts)
        yield from _vectors(connection, table, schema, mended[table].unknown)
        yield from list_findings(connection, table, [f for f in schema.lists if f in features])


def colliding_share(values: int, buckets: int) -> float:
    """Expected share of distinct values that share a bucket with another: 1 − (1 − 1/buckets)^(values − 1)."""
    return 1 - (1 - 1 / buckets) ** max(values - 1, 0)


def enough_buckets(values: int) -> int:
    """The least number of buckets, of two digits, at which at most `MOST_COLLIDING` of the values collide."""
    least = (values - 1) / -log(1 - MOST_COLLIDING)
    unit = int(10 ** max(int(log10(max(least, 1))) - 1, 0))
    buckets = ceil(least / unit) * unit
    return buckets if colliding_share(values, buckets) <= MOST_COLLIDING else buckets + unit


def distinct_sql(column: str, rows_of_table: int) -> str:
    """How many values differ: exactly, or of a large table within some 2 %, in little memory."""
    return f"count(distinct {column})" if rows_of_table <= _EXACT_ROWS else f"approx_count_distinct({column})"


def _counts(
    connection: Connection, table: str, domain: str, features: list[Feature]
) -> Iterator[FeatureCounts]:
    """In one scan. A vector's distinct values are those of its length; a list's are counted apart."""
    (size,) = rows(connection, f"select count(*) as n from {table}")
    columns = []
    for n, feature in enumerate(features):
        within = "true" if feature.domains is None else f"{domain} in ({listed(feature.domains)})"
        column = name(feature.name)
        if feature.kind == "embedding" or feature.multi:
            column = length_column(feature)
        columns += [
            f"count(*) filter ({within}) as r{n}",
            f"count(*) filter ({within} and {missing_sql(feature)}) as m{n}",
            f"{distinct_sql(column, size['n'])} filter ({within} and not {missing_sql(feature)}) as d{n}",
        ]
    (row,) = rows(connection, f"select {', '.join(columns)} from {table}")
    for n, feature in enumerate(features):
        distinct = distinct_in_lists(connection, table, feature) if feature.multi else row[f"d{n}"]
        yield FeatureCounts(row[f"r{n}"], row[f"m{n}"], distinct)


def _of_feature(place: str, feature: Feature, counts: FeatureCounts) -> Iterator[Finding]:
    words = f"{counts.null_share:.1%} {'null or empty' if feature.multi else 'null'}"
    if feature.kind != "embedding":
        words += f", {counted(counts.distinct, 'distinct value')}"
    if feature.buckets is not None and counts.distinct:
        share = colliding_share(counts.distinct, feature.buckets)
        words += f" in {feature.buckets:,} buckets: {share:.1%} collide"
        if share > MOST_COLLIDING:
            remedy = (
                f"set buckets = {enough_buckets(counts.distinct)} or more: other days have further values"
            )
            yield warning(Part.FEATURES, place, words, remedy)
            return
    yield fact(Part.FEATURES, place, words)
    if counts.rows and counts.missing == counts.rows:
        yield warning(
            Part.FEATURES,
            place,
            "null in every row of its domains",
            "deliver it, or take it out of the preset",
        )
    elif feature.kind == "continuous" and counts.distinct == 1:
        yield warning(
            Part.FEATURES,
            place,
            "the same number in every row",
            "it says nothing: deliver it, or take it out",
        )


def _vectors(
    connection: Connection, table: str, schema: SideSchema, unknown: frozenset[str]
) -> Iterator[Finding]:
    """Vectors of another length than declared, and vectors with a hole."""
    for feature in schema.embedding:
        if feature.name in unknown:
            continue
        length, finite = length_column(feature), finite_column(feature)
        found = rows(
            connection,
            f"select {length} as length, count(*) as n, count(*) filter (not {finite}) as holes from {table} "
            f"where {length} is not null group by all order by n desc, length",
        )
        place, others = f"{table}.{feature.name}", [row for row in found if row["length"] != feature.width]
        if others:
            text = ", ".join(f"{counted(row['n'], 'vector')} of length {row['length']}" for row in others[:3])
            remedy = "write vectors of one length"
            if len(found) == 1:
                remedy = f"set width = {found[0]['length']} in the preset, if all days have it"
            yield error(Part.FEATURES, place, f"{text}; width is {feature.width}", remedy)
        if holes := sum(row["holes"] or 0 for row in found):
            text = f"{holes:,} vectors have a component that is null or not finite"
            yield error(Part.FEATURES, place, text, "write null for the whole vector where it is not known")
