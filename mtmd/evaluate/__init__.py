"""Metrics of the candidate and its rivals on the held-out day, by slice and rank bucket (paper §3.2, §3.4)."""
