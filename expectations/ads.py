"""The suite of `ads`: one row per ad, as known at the start of the day."""

from typing import TYPE_CHECKING

from mtmd.config import Preset
from mtmd.expectations.common import (
    Expect,
    SuiteTable,
    build_suite,
    content_is_new,
    digest_sql,
    not_null,
    one_of,
    unique,
)
from mtmd.expectations.features import feature_expectations
from mtmd.expectations.own import with_own

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def ads_suite(preset: Preset) -> "ExpectationSuite":
    """Expectations on a day's `ads`."""
    return build_suite(SuiteTable.ADS, ads_expectations(preset))


def ads_expectations(preset: Preset) -> list[Expect]:
    """The same, before great-expectations is needed."""
    declarations = preset.declarations
    copies = [] if preset.data.ads_may_repeat else [content_is_new(SuiteTable.ADS, digest_sql("{batch}"))]
    packaged = [
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
    return with_own(packaged, preset, SuiteTable.ADS)


def _bids_are_amounts() -> Expect:
    return Expect(
        name="bid_is_an_amount",
        column="bid",
        description="A negative, infinite or undefined bid puts the ad at an end of every auction.",
        query="select ad_id, bid from {batch} where {where} order by all",
        where="bid < 0 or isnan(bid) or isinf(bid)",
    )
