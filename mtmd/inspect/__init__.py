"""What is stored of runs and models, for people who ask: reads only, and reaches neither torch nor duckdb."""
