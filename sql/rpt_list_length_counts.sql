-- rpt_list_length_counts: one row per domain and bin of the length of one list feature of a day.
-- `feature_values` has a row per request or ad: domain, value (varchar[]). A null list is counted as an empty
-- one. Bins are those of rpt_number_counts.
with
lengths as (
    select
        domain,
        coalesce(len(value), 0) as length
    from feature_values
),

final as (
    select
        domain,
        case
            when length = 0 then 0
            else cast(5000 + floor(4 * log2(length)) as integer)
        end as bin
    from lengths
)

select
    domain,
    bin,
    count(*) as bin_rows
from final
group by domain, bin
order by domain, bin
