"""The features of one day: nulls, distinct values, collisions of hashed categories, constants, vectors and lists."""

from collections.abc import Iterator, Sequence
from math import ceil, log, log10
from typing import NamedTuple

from mtmd.config import LONGEST_LIST, Feature, Preset
from mtmd.expectations.common import listed, name
from mtmd.expectations.features import (
    companion_column,
    finite_column,
    length_column,
    missing_sql,
    nulls_column,
)
from mtmd.project.findings import Finding, Part, counted, error, fact, warning
from mtmd.validate.gx_duckdb import Database

_EXACT_ROWS = 1_000_000
MOST_COLLIDING = 0.1  # share of a feature's values that meet another one in their bucket


class FeatureCounts(NamedTuple):
    """Rows of the domains that have the feature; how many of them lack a value; how many values differ."""

    rows: int
    missing: int
    distinct: int


def check_features(database: Database, preset: Preset) -> Iterator[Finding]:
    """A fact for each feature, and what is wrong with it."""
    sides = (("requests", "surface", preset.declarations.query), ("ads", "product", preset.declarations.item))
    for table, domain, schema in sides:
        for feature, counts in zip(
            schema.fields, _counts(database, table, domain, schema.fields), strict=True
        ):
            yield from _of_feature(f"{table}.{feature.name}", feature, counts)
        for feature in schema.embedding:
            yield from _of_vectors(database, table, feature)
        for feature in schema.lists:
            yield from _of_lists(database, table, feature)


def colliding_share(values: int, buckets: int) -> float:
    """Expected share of distinct values that share a bucket with another: 1 − (1 − 1/buckets)^(values − 1)."""
    return 1 - (1 - 1 / buckets) ** max(values - 1, 0)


def enough_buckets(values: int) -> int:
    """The least number of buckets, of two digits, at which at most `MOST_COLLIDING` of the values collide."""
    least = (values - 1) / -log(1 - MOST_COLLIDING)
    unit = int(10 ** max(int(log10(max(least, 1))) - 1, 0))
    buckets = ceil(least / unit) * unit
    return buckets if colliding_share(values, buckets) <= MOST_COLLIDING else buckets + unit


def _counts(
    database: Database, table: str, domain: str, features: Sequence[Feature]
) -> Iterator[FeatureCounts]:
    """In one scan. A vector's distinct values are those of its length; a list's are counted apart."""
    (size,) = database.rows(f"select count(*) as n from {table}")
    rough = size["n"] > _EXACT_ROWS  # then within some 2 %, in little memory
    columns = []
    for n, feature in enumerate(features):
        within = "true" if feature.domains is None else f"{domain} in ({listed(feature.domains)})"
        column = (
            length_column(feature) if feature.kind == "embedding" or feature.multi else name(feature.name)
        )
        distinct = f"approx_count_distinct({column})" if rough else f"count(distinct {column})"
        columns += [
            f"count(*) filter ({within}) as r{n}",
            f"count(*) filter ({within} and {missing_sql(feature)}) as m{n}",
            f"{distinct} filter ({within} and not {missing_sql(feature)}) as d{n}",
        ]
    (row,) = database.rows(f"select {', '.join(columns)} from {table}")
    for n, feature in enumerate(features):
        values = row[f"d{n}"]
        if feature.multi:
            unnested = f"select unnest({name(feature.name)}) as value from {table}"
            values = database.rows(f"select approx_count_distinct(value) as n from ({unnested})")[0]["n"]
        yield FeatureCounts(row[f"r{n}"], row[f"m{n}"], values)


def _of_feature(place: str, feature: Feature, counts: FeatureCounts) -> Iterator[Finding]:
    share = counts.missing / counts.rows if counts.rows else 0.0
    words = f"{share:.1%} {'null or empty' if feature.multi else 'null'}"
    if feature.kind != "embedding":
        words += f", {counted(counts.distinct, 'distinct value')}"
    if feature.buckets is not None and counts.distinct:
        colliding = colliding_share(counts.distinct, feature.buckets)
        words += f" in {feature.buckets:,} buckets: {colliding:.1%} collide"
        if colliding > MOST_COLLIDING:
            enough = enough_buckets(counts.distinct)
            remedy = f"set buckets = {enough} or more: other days have further values"
            yield warning(Part.FEATURES, place, words, remedy)
            return
    yield fact(Part.FEATURES, place, words)
    if counts.rows and counts.missing == counts.rows:
        remedy = "deliver it, or take it out of the preset"
        yield warning(Part.FEATURES, place, "null in every row of its domains", remedy)
    elif feature.kind == "continuous" and counts.distinct == 1:
        remedy = "it says nothing: deliver it, or take it out"
        yield warning(Part.FEATURES, place, "the same number in every row", remedy)


def _of_vectors(database: Database, table: str, feature: Feature) -> Iterator[Finding]:
    """Vectors of another length than declared, and vectors with a hole."""
    length, finite = length_column(feature), finite_column(feature)
    found = database.rows(
        f"select {length} as length, count(*) as n, count(*) filter (not {finite}) as holes from {table} "
        f"where {length} is not null group by all order by n desc, length"
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


def _of_lists(database: Database, table: str, feature: Feature) -> Iterator[Finding]:
    """Of each list its length, and what is wrong with it."""
    place, length = f"{table}.{feature.name}", length_column(feature)
    columns = [
        f"avg({length}) as mean",
        f"max({length}) as longest",
        f"count(*) filter ({nulls_column(feature)} > 0) as holes",
        f"count(*) filter ({length} > {feature.max_length}) as truncated",
        *(
            f"count(*) filter (not {companion_column(feature, what)}) as {what}"
            for what in feature.companions
        ),
    ]
    (row,) = database.rows(f"select {', '.join(columns)} from {table}")
    longest = row["longest"] or 0
    yield fact(
        Part.FEATURES, place, f"lists of {row['mean'] or 0:.1f} values on average, {longest:,} at most"
    )
    if row["holes"]:
        text = f"{counted(row['holes'], 'list')} with a null inside"
        remedy = f"leave nulls out: list_filter({feature.name}, lambda x: x is not null) as {feature.name}"
        yield error(Part.FEATURES, place, text, remedy)
    if longest > LONGEST_LIST:
        text = f"a list of {longest:,} values; {LONGEST_LIST:,} are allowed"
        remedy = f"write the first ones of each: list_slice({feature.name}, 1, {feature.max_length})"
        yield error(Part.FEATURES, place, text, remedy)
    elif row["truncated"]:
        text = f"{counted(row['truncated'], 'list')} of more than max_length = {feature.max_length} values"
        yield warning(Part.FEATURES, place, text, "the rest is not read: raise max_length if it matters")
    for what, column in feature.companions.items():
        if row[what]:
            kind = "a text" if what == "actions" else "a number from 0 to 1e18"
            text = f"{counted(row[what], 'row')} without {kind} in {column} for each value"
            yield error(Part.FEATURES, place, text, "write one for each value of the list, in its order")
