"""Tables that are no files: fetched day by day into Parquet files, which everything else reads."""
