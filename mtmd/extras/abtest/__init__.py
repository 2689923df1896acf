"""The simulated A/B test: what the model would do to the platform's traffic (paper §3.3): `[extras.abtest]`."""
