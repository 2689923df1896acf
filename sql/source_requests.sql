-- source_requests: one row per ad request of one day, as the user's storage has it.
-- $paths lists the day's Parquet files, $day is the day. To read other storage, edit this file and nothing
-- else: it must give the columns of docs/your-own-logs.md, with those names and types.
-- A star, because feature columns differ per preset; their names and types are compared before this is used.
select * -- noqa: AM04
from read_parquet($paths, hive_partitioning = false)
