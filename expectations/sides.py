"""The tables of the two sides: `requests` has one row per request, `ads` one per ad as known at the day's start."""

from mtmd.config import Preset
from mtmd.expectations.common import (
    Expect,
    Needs,
    SuiteTable,
    no_row,
    not_null,
    one_of,
    unique,
    unlike_earlier_days,
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
        Expect(
            name="request_ids_new",
            column="request_id",
            description="Requests of the day before came again: they would be trained on, then judged.",
            needs=Needs.PREVIOUS_DAY,
            query="select request_id from {batch} semi join previous_requests using (request_id) order by all",
        ),
        *feature_expectations("request_id", "surface", declarations.query),
        *unlike_earlier_days(SuiteTable.REQUESTS),
    ]


def ads_expectations(preset: Preset) -> list[Expect]:
    """Expectations on a day's `ads`."""
    declarations = preset.declarations
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
        no_row(
            "bid_is_an_amount",
            "bid < 0 or isnan(bid) or isinf(bid)",
            key="ad_id",
            columns=("bid",),
            why="A negative, infinite or undefined bid puts the ad at an end of every auction.",
        ),
        *feature_expectations("ad_id", "product", declarations.item),
        *unlike_earlier_days(SuiteTable.ADS, may_repeat=preset.data.ads_may_repeat),
    ]
