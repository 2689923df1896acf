"""Models on disk and which one is live. Reaches neither torch nor duckdb."""
