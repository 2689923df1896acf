"""What every kind of feature has: the settings that kinds share, and what the stations ask of a feature.

Arrays are imported where values are encoded: commands that only read a preset need none. So the kinds' methods say in
words which arrays they return.
"""

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, Field

from mtmd.errors import LogsError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class EncodedList:
    """The lists of one feature in N rows; an empty one is missing.

    start, length  (N,) int64 and int32: the row's values are at start, start + 1, … of the others
    ids            (V,) int32, 1..buckets = hashed value
    """

    start: "NDArray[np.int64]"
    length: "NDArray[np.int32]"
    ids: "NDArray[np.int32]"

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: "NDArray[np.int64] | slice") -> "EncodedList":
        """Some rows in the given order, with copies of their values, row after row."""
        length = self.length[rows]
        return EncodedList(starts(length), length, self.ids[consecutive(self.start[rows], length)])

    @staticmethod
    def stack(lists: Sequence["EncodedList"]) -> "EncodedList":
        """The rows of several lists of one feature, one after the other."""
        import numpy as np

        shifts = np.cumsum([0, *(len(one.ids) for one in lists)])
        return EncodedList(
            np.concatenate([one.start + shift for one, shift in zip(lists, shifts, strict=False)]),
            np.concatenate([one.length for one in lists]),
            np.concatenate([one.ids for one in lists]),
        )

    def padded(self) -> "NDArray[np.int64]":
        """The ids (N, L), filled up with 0; L is at least 1."""
        import numpy as np

        longest = max(int(self.length.max(initial=0)), 1)
        matrix = np.zeros((len(self), longest), np.int64)
        matrix[np.arange(longest) < self.length[:, None]] = self.ids[consecutive(self.start, self.length)]
        return matrix


def consecutive(start: "NDArray[np.int64]", length: "NDArray[np.integer]") -> "NDArray[np.int64]":
    """start, start + 1, … of each row, `length` numbers of it, row after row."""
    import numpy as np

    return np.arange(int(length.sum())) + (start - starts(length)).repeat(length)


def starts(length: "NDArray[np.integer]") -> "NDArray[np.int64]":
    """(N,) where the values of each row begin, when they lie row after row."""
    begin: NDArray[np.int64] = length.cumsum(dtype="int64") - length
    return begin


Side = Literal["query", "item"]
Matrix = Literal["continuous", "categorical", "embedding", "lists"]
# Where encoded values go, in the order of a tower's fields. Numbers and vectors pass the norm of their domain,
# categories and lists are read in embedding tables; lists are in files of their own.
MATRICES: tuple[Matrix, ...] = ("continuous", "categorical", "embedding", "lists")


class Check(NamedTuple):
    """What no row of a day may have: a condition in SQL on the table of the staged columns."""

    name: str
    why: str
    wrong: str
    stops: bool = True


class Counted(NamedTuple):
    """A value whose counts tell how far days are apart: its name, how its bins are compared, and its SQL in a row.

    Categories are counted by sql/rpt_category_counts.sql, numbers by sql/rpt_number_counts.sql.
    """

    name: str
    compared_as: Literal["continuous", "categorical", "embedding"]
    value: str

    @property
    def statement(self) -> str:
        """Name of the statement that counts it."""
        return "rpt_category_counts" if self.compared_as == "categorical" else "rpt_number_counts"


class Feature(BaseModel, frozen=True, extra="forbid"):
    """One column of `requests` (query side) or `ads` (item side) that a tower reads."""

    matrix: ClassVar[Matrix]

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    side: Side
    kind: str
    domains: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="surfaces (query side) or products (item side) that have it; all when omitted",
    )
    width: int = Field(
        16, ge=1, le=4096, description="of a category's embedding; for `embedding`, the vector's length"
    )
    type: str = Field(description="DuckDB type of one value in the logs; the kind's usual one when omitted")

    @property
    def quoted(self) -> str:
        """Its column in SQL."""
        return f'"{self.name}"'

    def staged(self, what: str) -> str:
        """A further column of the staged table, in SQL."""
        return f'"{self.name}.{what}"'

    @property
    def column_type(self) -> str:
        """The DuckDB type that the column is read as: `mtmd/logs/contract.py` says which types are cast to it."""
        return self.type

    @property
    def size(self) -> int:
        """Columns of its matrix that it takes."""
        return 1

    @abstractmethod
    def encode(self, table: "pa.Table", seed: int) -> "NDArray[Any] | EncodedList":
        """N raw rows → (N,), (N, size) or N lists; `seed` is that of the categorical hash.

        Columns are of the declared types. Raises LogsError naming the feature, what is wrong with its values, and what
        to do.
        """

    @abstractmethod
    def hard_rows(self, unseen: int) -> Sequence[Any] | EncodedList:
        """Encoded rows that no day is sure to have, for the parity proof: a missing value, then `unseen` rare ones."""

    @property
    @abstractmethod
    def request_type(self) -> Any:
        """The type that a value in a request over HTTP must have."""

    def staged_columns(self) -> str:
        """The columns of the staged table in SQL: the value that is profiled, and what the checks read."""
        return self.quoted

    def missing_sql(self) -> str:
        """SQL that is true in a row of the staged table where the feature is missing."""
        return f"{self.quoted} is null"

    def single_values(self, table: str, key: str) -> str:
        """SQL of rows with `key` and one value each; the staged table where a row has one value."""
        return table

    def checks(self) -> Iterator[Check]:
        """What no row may have."""
        return iter(())

    @abstractmethod
    def counts(self) -> Iterator[Counted]:
        """What of it is counted each day, to see drift."""

    def column(self, table: "pa.Table") -> "pa.Array":
        """Its column as one array of its declared type."""
        return table.column(self.name).combine_chunks().cast(arrow_type(self.column_type))


_ARROW_TYPES = {  # of DuckDB's types
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "VARCHAR": "string",
    "BOOLEAN": "bool",
    "TIMESTAMP": "timestamp[us]",
}


def arrow_type(column_type: str) -> "pa.DataType":
    """The Arrow type of one of DuckDB's, or of a list of it."""
    import pyarrow as pa

    one = pa.type_for_alias(_ARROW_TYPES[column_type.removesuffix("[]")])
    return pa.list_(one) if column_type.endswith("[]") else one


def refuse_infinite(values: "NDArray[np.float32]", feature: Feature) -> None:
    """Raise LogsError naming the feature and how many of its values are infinite."""
    if count := int((abs(values) == inf).sum()):
        raise LogsError(
            f"feature {feature.name!r} has {count} infinite values of {values.size}; write null where "
            "the value is unknown"
        )


# Types of the values in a request over HTTP, for validation and for OpenAPI alike. A BIGINT may be written as text
# where it is an id, because JavaScript's numbers hold whole ones only up to 2^53.
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
