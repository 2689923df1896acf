"""How large results are handed to tasks."""

from typing import TypeVar, cast

from prefect.utilities.annotations import opaque

_Value = TypeVar("_Value")


def whole(value: _Value) -> _Value:
    """An argument of a task that is handed on as it is, with the link to the task that returned it.

    Prefect looks into every number of any other argument, twice, for results of other tasks. That took a second of a
    run whose outputs were all there.
    """
    return cast(_Value, opaque(value))
