"""Data validation: the suites of `expectations/`, run by great-expectations on DuckDB, day by day."""
