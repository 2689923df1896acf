"""`mtmd.open`: a project in Python, for notebooks and programs (docs/library.md)."""
