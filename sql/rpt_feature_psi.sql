-- rpt_feature_psi: one row per day, feature and domain: how far its distribution lies from the reference's.
-- $paths lists the days' profiles (mtmd/monitor/profiles.py), $day is the new one; others are the reference.
-- PSI = Σ (p − q) ln(p / q) over groups, p the day's share and q the reference's, half a row added to each.
-- Groups: a category's bins as they are, a number's in tenths of the reference, missing values apart.
-- A bin belongs to the tenth of its middle row, so that what is below a very common value is another tenth.
with
counts as (
    select
        day,
        side,
        feature,
        kind,
        domain,
        bin,
        bin_rows
    from read_parquet($paths)
),

reference_bins as (
    select
        side,
        feature,
        kind,
        domain,
        bin,
        sum(case when day = $day then 0 else bin_rows end) as reference_rows
    from counts
    group by side, feature, kind, domain, bin
),

ranked as (
    select
        side,
        feature,
        kind,
        domain,
        bin,
        reference_rows,
        sum(reference_rows) over number_order - reference_rows as rows_before,
        sum(case when bin is null then 0 else reference_rows end) over whole as all_rows
    from reference_bins
    window
        number_order as (
            partition by side, feature, domain order by bin asc nulls last
            rows between unbounded preceding and current row
        ),
        whole as (partition by side, feature, domain)
),

grouped as (
    select
        side,
        feature,
        domain,
        bin,
        reference_rows,
        case
            when bin is null then -1
            when kind = 'categorical' or all_rows = 0 then bin
            else cast(least(floor(10 * (rows_before + reference_rows / 2) / all_rows), 9) as integer)
        end as bin_group
    from ranked
),

reference_groups as (
    select
        side,
        feature,
        domain,
        bin_group,
        sum(reference_rows) as reference_rows
    from grouped
    group by side, feature, domain, bin_group
),

day_groups as (
    select
        counts.day,
        counts.side,
        counts.feature,
        counts.domain,
        grouped.bin_group,
        sum(counts.bin_rows) as day_rows
    from counts
    inner join grouped
        on
            counts.side = grouped.side
            and counts.feature = grouped.feature
            and counts.domain = grouped.domain
            and counts.bin is not distinct from grouped.bin
    group by counts.day, counts.side, counts.feature, counts.domain, grouped.bin_group
),

days as (
    select distinct
        day,
        side,
        feature,
        domain
    from counts
),

cells as (
    select
        days.day,
        days.side,
        days.feature,
        days.domain,
        reference_groups.reference_rows,
        coalesce(day_groups.day_rows, 0) as day_rows
    from days
    inner join reference_groups
        on
            days.side = reference_groups.side
            and days.feature = reference_groups.feature
            and days.domain = reference_groups.domain
    left join day_groups
        on
            days.day = day_groups.day
            and days.side = day_groups.side
            and days.feature = day_groups.feature
            and days.domain = day_groups.domain
            and reference_groups.bin_group = day_groups.bin_group
),

shares as (
    select
        day,
        side,
        feature,
        domain,
        day_rows,
        (day_rows + 0.5) / (sum(day_rows) over one_day + 0.5 * count(*) over one_day) as p,
        (reference_rows + 0.5) / (sum(reference_rows) over one_day + 0.5 * count(*) over one_day) as q
    from cells
    window one_day as (partition by day, side, feature, domain)
),

final as (
    select
        day,
        side,
        feature,
        domain,
        sum(day_rows) as day_rows,
        sum((p - q) * ln(p / q)) as psi
    from shares
    group by day, side, feature, domain
)

select
    day,
    side,
    feature,
    domain,
    day_rows,
    psi
from final
order by side, feature, domain, day
