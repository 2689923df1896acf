-- shard_ads: one row per ad of the day's snapshot, in any order, with its row in the shard.
-- `source_row` is a struct of $columns: features differ per preset; mtmd/logs/encoding.py encodes them.
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
