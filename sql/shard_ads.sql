-- shard_ads: one row per ad of the day's snapshot, in shard order.
-- `source_row` is the whole source row, a struct: features differ per preset; mtmd/encoding.py encodes them.
with
ads as (
    select
        ad_id,
        source_ads as source_row
    from source_ads
),

final as (
    select
        ad_keys.ad_row,
        ad_keys.ad_id,
        ad_keys.product_index,
        ads.source_row
    from ads
    inner join stg_ad_keys as ad_keys on ads.ad_id = ad_keys.ad_id
)

select
    ad_id,
    product_index,
    source_row
from final
order by ad_row
