"""The suite of `requests`: one row per request."""

from typing import TYPE_CHECKING

from mtmd.config import Preset
from mtmd.expectations.common import (
    Expect,
    Needs,
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


def requests_suite(preset: Preset) -> "ExpectationSuite":
    """Expectations on a day's `requests`."""
    return build_suite(SuiteTable.REQUESTS, requests_expectations(preset))


def requests_expectations(preset: Preset) -> list[Expect]:
    """The same, before great-expectations is needed."""
    declarations = preset.declarations
    packaged = [
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
    return with_own(packaged, preset, SuiteTable.REQUESTS)


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
