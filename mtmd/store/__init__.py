"""The only code that writes files: atomic, durable, named by content."""
