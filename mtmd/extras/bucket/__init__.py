"""Buckets (S3, Google Cloud Storage, Azure): a line's artifacts, or logs, in them."""
