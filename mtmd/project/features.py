"""The features of one day: nulls, distinct values, collisions of hashed categories, and constants."""

from collections.abc import Iterator
from math import ceil, log, log10
from typing import Any

from mtmd.config import Preset
from mtmd.expectations.common import listed
from mtmd.extract.database import Database
from mtmd.features import Feature
from mtmd.project.findings import Finding, Part, counted, fact, warning

_EXACT_ROWS = 1_000_000
MOST_COLLIDING = 0.1  # share of a feature's values that meet another one in their bucket


def check_features(database: Database, preset: Preset) -> Iterator[Finding]:
    """A fact for each feature, or a hint where it says nothing or its buckets are too few."""
    sides = (("requests", "surface", preset.declarations.query), ("ads", "product", preset.declarations.item))
    for table, domain, schema in sides:
        (size,) = database.rows(f"select count(*) as n from {table}")
        count = "approx_count_distinct({})" if size["n"] > _EXACT_ROWS else "count(distinct {})"
        columns = [
            column
            for n, feature in enumerate(schema.fields)
            for column in _columns(table, domain, count, n, feature)
        ]
        (row,) = database.rows(f"select {', '.join(columns)} from {table}")
        for n, feature in enumerate(schema.fields):
            yield _finding(f"{table}.{feature.name}", feature, row[f"r{n}"], row[f"m{n}"], row[f"d{n}"])


def colliding_share(values: int, buckets: int) -> float:
    """Expected share of distinct values that share a bucket with another: 1 − (1 − 1/buckets)^(values − 1)."""
    return 1 - (1 - 1 / buckets) ** max(values - 1, 0)


def enough_buckets(values: int) -> int:
    """The least number of buckets, of two digits, at which at most `MOST_COLLIDING` of the values collide."""
    least = (values - 1) / -log(1 - MOST_COLLIDING)
    unit = int(10 ** max(int(log10(max(least, 1))) - 1, 0))
    buckets = ceil(least / unit) * unit
    return buckets if colliding_share(values, buckets) <= MOST_COLLIDING else buckets + unit


def _columns(table: str, domain: str, count: str, n: int, feature: Feature) -> Iterator[str]:
    """Rows of the domains that have the feature; how many of them lack a value; how many values differ.

    Distinct vectors are not counted; of a list its elements are.
    """
    within = "true" if feature.domains is None else f"{domain} in ({listed(feature.domains)})"
    yield f"count(*) filter ({within}) as r{n}"
    yield f"count(*) filter ({within} and {feature.missing_sql()}) as m{n}"
    if feature.matrix == "embedding":
        yield f"0 as d{n}"
    elif feature.matrix == "lists":
        values = feature.single_values(table, domain)
        yield f"(select approx_count_distinct({feature.quoted}) from {values}) as d{n}"
    else:
        yield f"{count.format(feature.quoted)} filter ({within} and not {feature.missing_sql()}) as d{n}"


def _finding(place: str, feature: Feature, rows: int, missing: int, distinct: Any) -> Finding:
    words = (
        f"{missing / rows if rows else 0.0:.1%} {'null or empty' if feature.matrix == 'lists' else 'null'}"
    )
    if feature.matrix != "embedding":
        words += f", {counted(distinct, 'distinct value')}"
    if rows and missing == rows:
        return warning(Part.FEATURES, place, words, "deliver it, or take it out of the preset")
    if feature.kind == "continuous" and distinct == 1:
        return warning(Part.FEATURES, place, words, "it says nothing: deliver it, or take it out")
    if feature.buckets is not None and distinct:
        colliding = colliding_share(distinct, feature.buckets)
        words += f" in {feature.buckets:,} buckets: {colliding:.1%} collide"
        if colliding > MOST_COLLIDING:
            remedy = f"set buckets = {enough_buckets(distinct)} or more: other days have further values"
            return warning(Part.FEATURES, place, words, remedy)
    return fact(Part.FEATURES, place, words)
