-- rpt_served: one row per shown candidate, in its shard's order: the model whose score it had, and its user.
-- served_by is null without a score. person numbers the users; a request without one has a number of its own.
with
shown as (
    select
        candidates.served_by,
        request_keys.request_row,
        ad_keys.ad_row,
        coalesce('user ' || requests.user_id, 'request ' || requests.request_id) as person
    from source_candidates as candidates
    inner join source_requests as requests on candidates.request_id = requests.request_id
    inner join stg_request_keys as request_keys on candidates.request_id = request_keys.request_id
    inner join stg_ad_keys as ad_keys on candidates.ad_id = ad_keys.ad_id
    where candidates.impressed
)

select
    served_by,
    dense_rank() over (order by person) - 1 as person
from shown
order by request_row, ad_row
