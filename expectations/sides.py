"""The tables of the two sides: `requests` has one row per request, `ads` one per ad as known at the day's start."""

from collections.abc import Iterator

from mtmd.config import Preset, SideSchema
from mtmd.expectations.common import (
    HAS_ROWS,
    OF_SIDES,
    Expect,
    Severity,
    listed,
    no_row,
    not_null,
    one_of,
    steady,
    unique,
)
from mtmd.features import Check, Feature
from mtmd.logs.sql import literal


def requests_expectations(preset: Preset) -> list[Expect]:
    """Expectations on a day's `requests`."""
    declarations = preset.declarations
    return [
        HAS_ROWS,
        not_null("request_id", "ts, surface", "A request without an id joins no candidate and is lost."),
        not_null("ts", "request_id", "Without a time nothing says that the request belongs to this day."),
        not_null("surface", "request_id", "Without a surface no query tower can read the request."),
        unique(("request_id",), "Candidates of a repeated request would be joined, and trained on, twice."),
        one_of(
            "surface",
            declarations.domains.surfaces,
            "request_id",
            "No tower exists for the surface: its requests would be dropped or read by the wrong tower.",
        ),
        Expect(
            name="ts_inside_the_day",
            column="ts",
            description="Rows of another day leak the held-out day into training, or the reverse; a shift of "
            "hours is a writer that does not use UTC.",
            query="""
                select request_id, ts
                from {batch} cross join this_day
                where ts < this_day.day or ts >= this_day.day + interval 1 day
                order by all
            """,
        ),
        *_features("request_id", "surface", declarations.query),
        *steady("requests", OF_SIDES),
    ]


def ads_expectations(preset: Preset) -> list[Expect]:
    """Expectations on a day's `ads`."""
    declarations = preset.declarations
    return [
        HAS_ROWS,
        not_null("ad_id", "product, goal", "An ad without an id joins no candidate and can't be published."),
        not_null("product", "ad_id", "Without a product no item tower can read the ad."),
        not_null("goal", "ad_id", "The auction can't turn scores into value without the ad's goal."),
        not_null("bid", "ad_id", "The auction can't rank an ad without its bid."),
        unique(("ad_id",), "Candidates of a repeated ad would be joined twice, with either row's features."),
        one_of(
            "product",
            declarations.domains.products,
            "ad_id",
            "No tower exists for the product: its ads would be dropped or read by the wrong tower.",
        ),
        one_of("goal", ("click", "conversion"), "ad_id", "The auction would not know which task to pay for."),
        no_row(
            "bid_is_an_amount",
            "bid < 0 or isnan(bid) or isinf(bid)",
            key="ad_id",
            columns=("bid",),
            why="A negative, infinite or undefined bid puts the ad at an end of every auction.",
        ),
        *_features("ad_id", "product", declarations.item),
        *steady("ads", OF_SIDES),
    ]


def _features(key: str, domain: str, schema: SideSchema) -> Iterator[Expect]:
    """Expectations on one side's features: one for each check of their kinds, and one for domains that lack some.

    `key` is the column that names a row, `domain` the column with its surface or product.
    """
    checks: dict[str, Check] = {}
    wrong: dict[str, dict[str, str]] = {}
    of_kinds = [
        (f, check)
        for f in (*schema.continuous, *schema.embedding, *schema.categorical, *schema.lists)
        for check in f.checks()
    ]
    of_domains = [(f, _lacking(f, domain, schema)) for f in schema.fields if f.domains is not None]
    for feature, check in of_kinds + of_domains:
        checks[check.name] = check
        wrong.setdefault(check.name, {})[feature.name] = check.wrong
    for name, check in checks.items():
        yield _offenders(check, key, wrong[name])


def _lacking(feature: Feature, domain: str, schema: SideSchema) -> Check:
    lacking = [name for name in schema.domains if name not in (feature.domains or ())]
    return Check(
        "features_null_where_lacking",
        "A value in a domain that is declared to lack the feature is never read: the declaration or the join behind "
        "the column is wrong.",
        f"({domain} in ({listed(tuple(lacking))}) and not {feature.missing_sql()})",
    )


def _offenders(check: Check, key: str, wrong: dict[str, str]) -> Expect:
    """`wrong`, by feature, is true of no feature in any row; the samples name those of which it is."""
    names = ", ".join(f"case when {sql} then {literal(feature)} end" for feature, sql in wrong.items())
    where = " or ".join(wrong.values())
    return Expect(
        name=check.name,
        column=", ".join(wrong),
        description=check.why,
        query=f"select {key}, concat_ws(', ', {names}) as features from {{batch}} where {where} order by all",
        where=where,
        severity=Severity.CRITICAL if check.stops else Severity.WARNING,
    )
