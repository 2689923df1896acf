-- stg_request_keys: one row per request, with its surface's index in $surfaces and its row in the shard.
-- Sorted by surface, so that ascending rows are grouped by domain.
-- A shard has every request; downsampling (Table 6) is done when a window is read: mtmd/extract/window.py.
with
requests as (
    select
        request_id,
        ts,
        list_position($surfaces, surface) - 1 as surface_index
    from source_requests
),

final as (
    select
        request_id,
        ts,
        cast(surface_index as tinyint) as surface_index,
        cast(row_number() over (order by surface_index, request_id) - 1 as integer) as request_row
    from requests
)

select
    request_id,
    ts,
    surface_index,
    request_row
from final
