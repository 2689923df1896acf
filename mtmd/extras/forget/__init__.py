"""Rows and models of users who ask to be forgotten: `mtmd forget`."""
