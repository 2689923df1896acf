"""A model at work without torch: raw rows → embeddings → ranked ads. Reaches neither torch nor duckdb."""
