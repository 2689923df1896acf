-- rpt_vector_counts: one row per domain and bin of the Euclidean length of one vector feature of a day.
-- `feature_values` has a row per request or ad: domain, value (float[]). Bins are those of rpt_number_counts.
with
lengths as (
    select
        domain,
        sqrt(list_sum(list_transform(value, lambda x: cast(x as double) * x))) as length
    from feature_values
),

numbers as (
    select
        domain,
        case when isfinite(length) then length end as number
    from lengths
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
