"""A team's own folder: what `mtmd init` writes, and what `mtmd check` finds in it."""
