-- rpt_ad_key_counts: one row per day: the ads of a snapshot, and how many keys are sound: distinct, and of a
-- declared product. A snapshot with as many of them as rows has no problem.
select
    count(*) as ads,
    count(distinct ad_id) filter (where product_index is not null) as sound_ads
from stg_ad_keys
