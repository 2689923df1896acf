"""Flow-run artifacts as Markdown."""
