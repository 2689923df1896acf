-- stg_ad_keys: one row per ad of the day, with its product's index in $products and its row in the shard.
-- Sorted by product, so that ascending rows are grouped by domain.
with
ads as (
    select
        ad_id,
        list_position($products, product) - 1 as product_index
    from source_ads
),

final as (
    select
        ad_id,
        cast(product_index as tinyint) as product_index,
        cast(row_number() over (order by product_index, ad_id) - 1 as integer) as ad_row
    from ads
)

select
    ad_id,
    product_index,
    ad_row
from final
