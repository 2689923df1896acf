"""Data validation: the suites of `mtmd_expectations/`, run by great-expectations on DuckDB, day by day."""
