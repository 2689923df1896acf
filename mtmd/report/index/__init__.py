"""The index of the report pages: a page for each line of models, and one that lists the lines."""
