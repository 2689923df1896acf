-- rpt_candidate_key_counts: one row per day: its candidates, and how many of them are sound: in a pair that
-- comes once, of a request and an ad of the day, and with a known `impressed`.
with
pairs as (
    select
        candidates.request_id,
        candidates.ad_id,
        count(*) as copies,
        bool_and(
            candidates.impressed is not null
            and request_keys.request_id is not null
            and ad_keys.ad_id is not null
        ) as is_sound
    from source_candidates as candidates
    left join stg_request_keys as request_keys on candidates.request_id = request_keys.request_id
    left join stg_ad_keys as ad_keys on candidates.ad_id = ad_keys.ad_id
    group by candidates.request_id, candidates.ad_id
)

select
    cast(coalesce(sum(copies), 0) as bigint) as candidates,
    count(*) filter (where is_sound) as sound_candidates
from pairs
