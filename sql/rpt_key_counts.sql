-- rpt_key_counts: one row per day: the rows of each source, and how many keys of requests and ads are sound:
-- distinct, complete, of a declared surface or product. A table with as many of them as rows has no problem.
with
request_keys as (
    select
        count(*) as key_rows,
        count(distinct request_id) filter (where surface_index is not null and ts is not null) as sound_rows
    from stg_request_keys
),

ad_keys as (
    select
        count(*) as key_rows,
        count(distinct ad_id) filter (where product_index is not null) as sound_rows
    from stg_ad_keys
),

requests as (select count(*) as source_rows from source_requests),

ads as (select count(*) as source_rows from source_ads),

candidates as (select count(*) as source_rows from source_candidates),

final as (
    select
        requests.source_rows as requests,
        request_keys.key_rows as request_keys,
        request_keys.sound_rows as sound_requests,
        ads.source_rows as ads,
        ad_keys.key_rows as ad_keys,
        ad_keys.sound_rows as sound_ads,
        candidates.source_rows as candidates
    from requests
    cross join request_keys
    cross join ads
    cross join ad_keys
    cross join candidates
)

select
    requests,
    request_keys,
    sound_requests,
    ads,
    ad_keys,
    sound_ads,
    candidates
from final
