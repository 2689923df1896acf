-- rpt_request_key_counts: one row per day: its requests, and how many of their keys are sound: distinct, with
-- a time and a declared surface. A day with as many of them as requests has no problem.
select
    count(*) as requests,
    count(distinct request_id) filter (where surface_index is not null and ts is not null) as sound_requests
from stg_request_keys
