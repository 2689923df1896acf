"""What `training.forecast_step` asks for: scores moved to where the heavyweight ranker is expected to be tomorrow."""
