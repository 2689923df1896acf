"""The HTTP service of a line's champion."""
