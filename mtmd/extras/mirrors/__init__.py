"""Runs and models, shown once more in MLflow: never read back, never decided by."""
