"""What a reader made of a file."""

from collections.abc import Callable
from typing import TypeVar

from mtmd.errors import MtmdError

_Read = TypeVar("_Read")


def read_or_refused(read: Callable[[], _Read]) -> _Read | None:
    """What was read; None where it was refused in words of our own. Whatever else is raised fails the test."""
    try:
        return read()
    except MtmdError as error:
        assert str(error)  # noqa: PT017 - it may also read
        return None
