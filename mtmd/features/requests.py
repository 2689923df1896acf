"""Types of the values in a request over HTTP, for validation and for OpenAPI alike.

A BIGINT may be written as text where it is an id, because JavaScript's numbers hold whole ones only up to 2^53.
"""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

LARGEST_NUMBER = 1e18  # in the logs or in a request; its square is a float32 number still
LONGEST_TEXT = 1024  # characters of a categorical value in a request
LONGEST_LIST = 10_000  # values of one list in the logs or in a request: a longer one is taken for a mistake
_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,18}")


def whole(value: Any) -> Any:
    """JSON has one kind of number: 3.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decimal(value: Any) -> Any:
    """The integer that a text says, if it says one; anything else as it is."""
    return int(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else whole(value)


def integer(bits: int) -> Any:
    """The type of whole numbers from -2^bits to 2^bits - 1."""
    return Annotated[int, Field(strict=True, ge=-(2**bits), le=2**bits - 1), BeforeValidator(whole)]


def number(least: float, most: float = LARGEST_NUMBER) -> Any:
    """The type of finite numbers within bounds."""
    return Annotated[float, Field(strict=True, allow_inf_nan=False, ge=least, le=most)]


def list_of(value: Any, most: int = LONGEST_LIST, least: int = 0, says: str | None = None) -> Any:
    """The type of lists of so many values, with a description."""
    return Annotated[list[value], Field(min_length=least, max_length=most, description=says)]


TEXT = Annotated[str, Field(strict=True, max_length=LONGEST_TEXT)]
BIG_ID = Annotated[
    int,
    Field(strict=True, ge=-(2**63), le=2**63 - 1),
    BeforeValidator(
        _decimal,
        json_schema_input_type=integer(63) | Annotated[str, Field(pattern=f"^({_DECIMAL.pattern})$")],
    ),
]
NUMBERS: dict[str, Any] = {
    **dict.fromkeys(("FLOAT", "DOUBLE"), number(-LARGEST_NUMBER)),
    "INTEGER": integer(31),
    "BIGINT": integer(63),
}
CATEGORIES: dict[str, Any] = {  # many are ids of something
    "INTEGER": integer(31),
    "BIGINT": BIG_ID,
    "VARCHAR": TEXT,
}
