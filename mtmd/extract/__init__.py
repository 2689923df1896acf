"""Logs → day shards → request-centric batches. One of the three packages that use DuckDB."""
