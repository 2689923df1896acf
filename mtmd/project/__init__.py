"""A team's own folder: what `mtmd init` writes."""
