-- source_ads: one row per ad as known at the start of one day, from our files.
-- $paths lists the day's Parquet files. Rename and cast here, for example: select uid as user_id, ...
select *
from read_parquet($paths, hive_partitioning = false)
