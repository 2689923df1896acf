-- rpt_key_problems: one row per kind of key problem that a day has; no row when its keys are sound.
-- $surfaces and $products list the declared names. `sample_keys` shows up to five keys (or names).
with
requests as (
    select
        request_id,
        ts,
        surface
    from source_requests
),

ads as (
    select
        ad_id,
        product
    from source_ads
),

candidates as (
    select
        request_id,
        ad_id,
        impressed
    from source_candidates
),

nulls as (
    select
        'requests' as table_name,
        'a null request_id, ts or surface' as problem,
        cast(request_id as varchar) as sample_key
    from requests
    where request_id is null or ts is null or surface is null
    union all
    select
        'ads' as table_name,
        'a null ad_id or product' as problem,
        cast(ad_id as varchar) as sample_key
    from ads
    where ad_id is null or product is null
    union all
    select
        'candidates' as table_name,
        'a null request_id, ad_id or impressed' as problem,
        concat_ws(' × ', request_id, ad_id) as sample_key
    from candidates
    where request_id is null or ad_id is null or impressed is null
),

duplicates as (
    select
        'requests' as table_name,
        'a request_id that occurs more than once' as problem,
        cast(request_id as varchar) as sample_key
    from requests
    group by request_id
    having count(request_id) > 1
    union all
    select
        'ads' as table_name,
        'an ad_id that occurs more than once' as problem,
        cast(ad_id as varchar) as sample_key
    from ads
    group by ad_id
    having count(ad_id) > 1
    union all
    select
        'candidates' as table_name,
        'a (request_id, ad_id) that occurs more than once' as problem,
        concat_ws(' × ', request_id, ad_id) as sample_key
    from candidates
    where request_id is not null and ad_id is not null
    group by request_id, ad_id
    having count(*) > 1
),

unknown_names as (
    select
        'requests' as table_name,
        'an undeclared surface' as problem,
        surface as sample_key
    from requests
    where surface is not null and not list_contains($surfaces, surface)
    union all
    select
        'ads' as table_name,
        'an undeclared product' as problem,
        product as sample_key
    from ads
    where product is not null and not list_contains($products, product)
),

orphans as (
    select
        'candidates' as table_name,
        'a request_id that requests of the day lacks' as problem,
        cast(candidates.request_id as varchar) as sample_key
    from candidates
    anti join requests on candidates.request_id = requests.request_id
    where candidates.request_id is not null
    union all
    select
        'candidates' as table_name,
        'an ad_id that ads of the day lacks' as problem,
        cast(candidates.ad_id as varchar) as sample_key
    from candidates
    anti join ads on candidates.ad_id = ads.ad_id
    where candidates.ad_id is not null
),

problems as (
    select
        table_name,
        problem,
        sample_key
    from nulls
    union all
    select
        table_name,
        problem,
        sample_key
    from duplicates
    union all
    select
        table_name,
        problem,
        sample_key
    from unknown_names
    union all
    select
        table_name,
        problem,
        sample_key
    from orphans
),

final as (
    select
        table_name,
        problem,
        count(*) as problem_rows,
        list(distinct sample_key order by sample_key)[:5] as sample_keys
    from problems
    group by table_name, problem
)

select
    table_name,
    problem,
    problem_rows,
    sample_keys
from final
order by table_name desc, problem asc
