"""Results as typed tables, for terminals, artifacts and Markdown."""
