-- shard_requests: one row per request, in any order, with its row in the shard.
-- `source_row` is a struct of $columns: features differ per preset; mtmd/logs/encoding.py encodes them.
with
requests as (
    select
        request_id,
        struct_pack(*columns(lambda name: list_contains($columns, name))) as source_row
    from source_requests
),

final as (
    select
        request_keys.request_row,
        request_keys.surface_index,
        requests.source_row
    from requests
    inner join stg_request_keys as request_keys on requests.request_id = request_keys.request_id
)

select
    request_row,
    surface_index,
    source_row
from final
