-- shard_candidates: one row per (request, ad), sorted by request and ad row, linked by rows instead of keys.
-- `source_row` is a struct of $columns: a preset's tasks name their score and label columns.
with
candidates as (
    select
        request_id,
        ad_id,
        struct_pack(*columns(lambda name: list_contains($columns, name))) as source_row
    from source_candidates
),

final as (
    select
        request_keys.request_row,
        ad_keys.ad_row,
        candidates.source_row
    from candidates
    inner join stg_request_keys as request_keys on candidates.request_id = request_keys.request_id
    inner join stg_ad_keys as ad_keys on candidates.ad_id = ad_keys.ad_id
)

select
    request_row,
    ad_row,
    source_row
from final
order by request_row, ad_row
