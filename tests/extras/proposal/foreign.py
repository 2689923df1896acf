"""Logs as another team has them: the simulated platform's, under other names, in other types and other folders."""

from datetime import date
from pathlib import Path

import duckdb

_PLACES = {
    "queries": "queries/{day}.parquet",
    "creatives": "creatives/{day:%Y}/{day:%m}/{day:%d}/part-0.parquet",
    "scored": "scored/dt={day:%Y%m%d}/part-0.parquet",
}
_TABLES = {
    "queries": """
        select
            'q-' || request_id as "requestId",
            ts as served_at,
            case surface when 'home_feed' then 'feed' else 'find' end as page,
            'm' || user_id as member,
            country,
            device,
            hour,
            user_activity as activity,
            user_vector as taste,
            query_term as words,
            list_filter([history_topic, user_id % 7], lambda topic: topic is not null) as interests,
            'v1' as client
        from requests
        where surface in ('home_feed', 'search')
    """,
    "creatives": """
        select
            cast(md5(cast(ad_id as varchar)) as uuid) as id,
            product as kind,
            cast(bid as double) as cpc,
            cast(advertiser_id as varchar) as advertiser,
            topic,
            format,
            price,
            ad_vector as embedding,
            ad_id % 3 = 0 as well_known
        from ads
    """,
    "scored": """
        select
            'q-' || request_id as "requestId",
            cast(md5(cast(ad_id as varchar)) as uuid) as creative,
            cast(ctr as double) as p_click,
            cast(gctr as double) as p_lead,
            impressed as shown,
            coalesce(clicked, false) as click,
            coalesce(good_clicked, false) as lead,
            position as slot
        from candidates
        semi join (select request_id from requests where surface in ('home_feed', 'search')) using (request_id)
    """,
}


def write_foreign_logs(simulated: Path, target: Path, days: int | None = None) -> None:
    """Write the first days of simulated logs, or all, that way: two surfaces, products and tasks, ids in text."""
    for folder in sorted((simulated / "requests").glob("date=*"))[:days]:
        day = date.fromisoformat(folder.name.removeprefix("date="))
        with duckdb.connect() as connection:
            for table in ("requests", "ads", "candidates"):
                files = str(simulated / table / folder.name / "*.parquet")
                connection.read_parquet(files, hive_partitioning=False).create_view(table)
            for name, query in _TABLES.items():
                path = target / _PLACES[name].replace("{day}", str(day)).format(day=day)
                path.parent.mkdir(parents=True, exist_ok=True)
                connection.sql(query).write_parquet(str(path))
