"""The hierarchy of errors: one family, drawn in full in its docstring."""

import inspect
import re

import pytest

from mtmd import errors
from mtmd.errors import MtmdError

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_one_that_a_caller_can_catch_as_ours(error: type[Exception]) -> None:
    assert issubclass(error, MtmdError)


def test_the_docstring_draws_every_error() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted([*drawn, "MtmdError"]) == sorted(error.__name__ for error in CLASSES)
