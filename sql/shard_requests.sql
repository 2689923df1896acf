-- shard_requests: one row per request, in shard order, with the number of its rows in shard_candidates.
-- `source_row` is the whole source row, a struct: features differ per preset; mtmd/encoding.py encodes them.
with
requests as (
    select
        request_id,
        ts,
        source_requests as source_row
    from source_requests
),

links as (
    select
        request_id,
        count(*) as candidate_count
    from source_candidates
    group by request_id
),

final as (
    select
        request_keys.request_row,
        request_keys.request_id,
        requests.ts,
        request_keys.surface_index,
        requests.source_row,
        cast(coalesce(links.candidate_count, 0) as integer) as candidate_count
    from requests
    inner join stg_request_keys as request_keys on requests.request_id = request_keys.request_id
    left join links on requests.request_id = links.request_id
)

select
    request_id,
    ts,
    surface_index,
    candidate_count,
    source_row
from final
order by request_row
