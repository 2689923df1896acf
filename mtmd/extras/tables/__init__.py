"""Logs in tables that are no files: PostgreSQL, Apache Iceberg, Delta Lake; days are fetched into Parquet files."""
