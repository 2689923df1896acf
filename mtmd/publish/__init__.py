"""The champion's ads, embedded, so that they can be served."""
