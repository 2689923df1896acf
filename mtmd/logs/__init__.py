"""The log contract: which tables, columns and files there are, and how a raw row is encoded."""
