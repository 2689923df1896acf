"""The suite of the window: one row per day and domain, with its number of candidates."""

from collections.abc import Iterable
from datetime import date

from mtmd.config import DataConfig, Preset
from mtmd.expectations.common import Expect, Severity


def window_expectations(preset: Preset) -> list[Expect]:
    """Expectations on a window's days together: `day`, `surface`, `product`, `candidates`, `share`."""
    return [
        _no_gap(preset.left_out),
        _enough_rows(preset.data),
        _enough_rows_every_day(preset.data),
        _content_differs(preset.data),
        _steady_mix(preset.data),
    ]


def _no_gap(left_out: Iterable[date]) -> Expect:
    """Days that the preset leaves out count as if they were there."""
    away = ", ".join(f"date '{day}'" for day in sorted(left_out))
    return Expect(
        name="days_without_gap",
        column="day",
        description="A missing day makes the window shorter than it says, and its weekly cycle lopsided.",
        query=f"""
            with there as (select distinct day from {{batch}}),
            away as (select unnest(cast([{away}] as date[])) as day),
            days as (
                from there
                union
                from away where day between (select min(day) from there) and (select max(day) from there)
            ),
            following as (select day, lead(day) over (order by day) as next_day from days)
            select day as last_day_before_gap, next_day
            from following
            where next_day - day > 1
            order by all
        """,
    )


def _enough_rows(limits: DataConfig) -> Expect:
    return Expect(
        name="domain_rows",
        column="candidates",
        description="A domain that has hardly any row in the whole window is learned from nothing: it is declared "
        "otherwise than it is logged, or the window is too short for it.",
        query=f"""
            select surface, product, sum(candidates) as candidates
            from {{batch}}
            group by surface, product
            having sum(candidates) < {limits.min_domain_rows}
            order by all
        """,
    )


def _enough_rows_every_day(limits: DataConfig) -> Expect:
    return Expect(
        name="domain_rows_every_day",
        column="candidates",
        severity=Severity.WARNING,
        description="A domain that fails to arrive on some days is learned from the others alone.",
        query=f"""
            select day, surface, product, candidates
            from {{batch}}
            where candidates < {limits.min_domain_rows}
            order by all
        """,
    )


def _content_differs(limits: DataConfig) -> Expect:
    ads = "and side <> 'ads'" if limits.ads_may_repeat else ""
    return Expect(
        name="content_differs_between_days",
        description="The same files were delivered for several days: their rows would count several times.",
        query=f"""
            select side, min(day) as first_day, max(day) as last_day, count(*) as days
            from trailing_digests
            where day in (select day from {{batch}}) {ads}
            group by side, digest
            having count(*) > 1
            order by all
        """,
    )


def _steady_mix(limits: DataConfig) -> Expect:
    # A warning: each day was already compared with its trailing days, and a slow drift is legitimate.
    return Expect(
        name="domain_mix_steady",
        column="share",
        severity=Severity.WARNING,
        description="Traffic moved between domains within the window: the model's average is of another mix.",
        query=f"""
            with days as (select *, sum(candidates) over (partition by day) as total from {{batch}}),
            full_days as (select * from days where total >= {limits.min_trailing_rows}),
            usual as (
                select surface, product, avg(share) as share from full_days group by surface, product
            )
            select day, surface, product, round(own.share, 4) as share, round(usual.share, 4) as usual_share
            from full_days as own inner join usual using (surface, product)
            where greatest(own.share, usual.share) >= {limits.stop_share}
                and greatest(own.share, usual.share) > {limits.stop_mix_factor} * least(own.share, usual.share)
            order by all
        """,
    )
