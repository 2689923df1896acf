"""Errors on rows of new ads and of new users, beside the other rows."""
