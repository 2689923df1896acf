-- stg_ads_by_key: one row per ad of one day's snapshot, in the order of its row in the day's shard.
-- `source_row` is a struct of $columns: features differ per preset; mtmd/encoding.py encodes them.
with
ads as (
    select
        ad_id,
        struct_pack(*columns(lambda name: list_contains($columns, name))) as source_row
    from source_ads
),

final as (
    select
        ad_keys.ad_row,
        ad_keys.product_index,
        ads.source_row
    from ads
    inner join stg_ad_keys as ad_keys on ads.ad_id = ad_keys.ad_id
)

select
    ad_row,
    product_index,
    source_row
from final
order by ad_row
