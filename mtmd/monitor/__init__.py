"""Watching a day before it is trained on: the champion's figures, feature drift, freshness."""
