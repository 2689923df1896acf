"""MTMD: a multi-task multi-domain two-tower ad ranker, retrained daily (AdKDD 2025)."""
