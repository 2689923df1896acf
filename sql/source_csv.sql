-- source_csv: one row per row of one table and day in CSV files, as text; each column is read as its declared
-- type later. $paths lists the day's files. They are as RFC 4180 says, with a header; other files need a
-- statement of their own. Left to itself, DuckDB skips lines that do not fit or that look like comments.
-- Columns are matched by name, whatever their order in each file.
-- A star, because feature columns differ per preset; their names are compared before this is used.
select * -- noqa: AM04
from read_csv(
    $paths,
    header = true,
    all_varchar = true,
    delim = ',',
    quote = '"',
    escape = '"',
    skip = 0,
    comment = '',
    union_by_name = true,
    hive_partitioning = false
)
