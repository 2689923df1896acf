"""Replay of a cut on logged requests: what would be left of the heavyweight ranker's best ads."""
