-- rpt_number_counts: one row per domain and bin of one feature of a day; `bin` is null for missing values.
-- `feature_values` has a row per request or ad: domain, value (a number). A bin is a quarter of an octave of
-- the value's size, the same for every day, so that days add up; zero has its own.
with
numbers as (
    select
        domain,
        case when isfinite(cast(value as double)) then cast(value as double) end as number
    from feature_values
),

final as (
    select
        domain,
        case
            when number = 0 then 0
            else cast(sign(number) * (5000 + floor(4 * log2(abs(number)))) as integer)
        end as bin
    from numbers
)

select
    domain,
    bin,
    count(*) as bin_rows
from final
group by domain, bin
order by domain, bin
