"""The simulated A/B test: models serve the same simulated people and budgets (paper §3.3)."""
