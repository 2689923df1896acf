"""The tables of the two sides: `requests` has one row per request, `ads` one per ad as known at the day's start."""

from mtmd.config import Preset
from mtmd.expectations.common import (
    Expect,
    Needs,
    SuiteTable,
    content_is_new,
    digest_sql,
    not_null,
    one_of,
    unique,
)
from mtmd.expectations.features import feature_expectations


def requests_expectations(preset: Preset) -> list[Expect]:
    """Expectations on a day's `requests`."""
    declarations = preset.declarations
    return [
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
        _inside_the_day(),
        _ids_are_new(),
        *feature_expectations(SuiteTable.REQUESTS, "request_id", "surface", declarations.query),
        content_is_new(SuiteTable.REQUESTS, digest_sql("{batch}")),
    ]


def _inside_the_day() -> Expect:
    return Expect(
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
    )


def _ids_are_new() -> Expect:
    return Expect(
        name="request_ids_new",
        column="request_id",
        description="Requests of the day before came again: they would be trained on, then judged.",
        needs=Needs.PREVIOUS_DAY,
        query="""
            select request_id
            from {batch}
            where request_id in (select request_id from previous_requests)
            order by all
        """,
    )


def ads_expectations(preset: Preset) -> list[Expect]:
    """Expectations on a day's `ads`."""
    declarations = preset.declarations
    copies = [] if preset.data.ads_may_repeat else [content_is_new(SuiteTable.ADS, digest_sql("{batch}"))]
    return [
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
        _bids_are_amounts(),
        *feature_expectations(SuiteTable.ADS, "ad_id", "product", declarations.item),
        *copies,
    ]


def _bids_are_amounts() -> Expect:
    return Expect(
        name="bid_is_an_amount",
        column="bid",
        description="A negative, infinite or undefined bid puts the ad at an end of every auction.",
        query="select ad_id, bid from {batch} where {where} order by all",
        where="bid < 0 or isnan(bid) or isinf(bid)",
    )
