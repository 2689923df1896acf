-- rpt_list_counts: one row per domain and bin of the values of one list feature of a day; `bin` is null for
-- lists without a value, each of which counts once. `feature_values` has a row per request or ad: domain,
-- value (varchar[]). Bins are those of rpt_category_counts.
with
elements as (
    select
        domain,
        unnest(case when len(value) > 0 then value else [null] end) as element
    from feature_values
),

final as (
    select
        domain,
        cast(md5_number_lower(element) % 50 as integer) as bin
    from elements
)

select
    domain,
    bin,
    count(*) as bin_rows
from final
group by domain, bin
order by domain, bin
