"""Runs and models, shown once more in MLflow and by OpenLineage events: never read back, never decided by."""
