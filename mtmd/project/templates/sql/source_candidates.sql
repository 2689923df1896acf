-- source_candidates: one row per (request, ad) that the heavyweight ranker scored, from our files.
-- $paths lists the day's Parquet files. Rename and cast here, for example: select uid as user_id, ...
select *
from read_parquet($paths, hive_partitioning = false)
