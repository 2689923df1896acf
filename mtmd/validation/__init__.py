"""Data validation: the suites of `expectations/`, run by great-expectations on DuckDB, day by day.

Importing this package does not import great-expectations, which takes seconds; running a suite does.
"""

from mtmd.validation.render import render_markdown
from mtmd.validation.results import (
    DayProfile,
    DayValidation,
    DomainProfile,
    ExpectationResult,
    NullProfile,
    Status,
    WindowValidation,
)
from mtmd.validation.runner import require, validate_day, validate_window

__all__ = [
    "DayProfile",
    "DayValidation",
    "DomainProfile",
    "ExpectationResult",
    "NullProfile",
    "Status",
    "WindowValidation",
    "render_markdown",
    "require",
    "validate_day",
    "validate_window",
]
