"""Fits heavyweight teachers on what users did, and scores every row by teachers that never saw it."""
