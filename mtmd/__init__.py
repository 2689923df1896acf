"""MTMD: a multi-task multi-domain two-tower ad ranker, retrained daily (AdKDD 2025)."""

import gc

# Imports make half a million objects that stay: looking through them for garbage again and again takes a fifth of their
# time. Memory does not suffer: steps of a training, which would hold most of it, leave no garbage to look for.
gc.set_threshold(100_000, 20, 20)
