"""A candidate that answers in the shadow: some of the live calls, for comparison; no client sees its answers."""
