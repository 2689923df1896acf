-- rpt_category_counts: one row per domain and bin of one feature of a day; `bin` is null for missing values.
-- `feature_values` has a row per value: domain, value (a category). A bin is one of 50 by the value's
-- md5, the same in every version and on every day, so that days add up however many values a feature has.
with
final as (
    select
        domain,
        cast(md5_number_lower(cast(value as varchar)) % 50 as integer) as bin
    from feature_values
)

select
    domain,
    bin,
    count(*) as bin_rows
from final
group by domain, bin
order by domain, bin
