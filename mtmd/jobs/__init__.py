"""Work beside the daily run: backfills, clean-up, and writing simulated logs."""
