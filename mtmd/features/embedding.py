"""A vector that another model made, such as the embedding of a text or an image."""

from collections.abc import Iterator
from math import nan
from typing import Any, ClassVar, Literal

from mtmd.errors import LogsError
from mtmd.features.feature import (
    LARGEST_NUMBER,
    Check,
    Counted,
    Feature,
    Matrix,
    list_of,
    number,
    refuse_infinite,
)


class Embedding(Feature):
    """`width` numbers, each normalised by its domain; a vector that lacks any of them is missing as a whole."""

    matrix: ClassVar[Matrix] = "embedding"

    kind: Literal["embedding"] = "embedding"
    type: Literal["FLOAT"] = "FLOAT"

    @property
    def column_type(self) -> str:
        return "FLOAT[]"

    @property
    def size(self) -> int:
        return self.width

    def encode(self, table: Any, seed: int) -> Any:
        """(N, width) float32."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        array = self.column(table)
        lengths = pc.unique(pc.list_value_length(array)).to_pylist()
        if wrong := [n for n in lengths if n not in (None, self.width)]:
            raise LogsError(
                f"feature {self.name!r} has a vector of length {wrong[0]}; declared width is {self.width}. "
                "Correct the logs or the declaration"
            )
        vectors = np.full((len(array), self.width), np.nan, np.float32)
        flat = pc.fill_null(array.flatten().cast(pa.float32()), float("nan")).to_numpy(zero_copy_only=False)
        vectors[array.is_valid().to_numpy(zero_copy_only=False)] = flat.reshape(-1, self.width)
        vectors[np.isnan(vectors).any(axis=1)] = np.nan
        refuse_infinite(vectors, self)
        return vectors

    def hard_rows(self, unseen: int) -> list[list[float]]:
        """Missing, and in the second half of the other rows ones."""
        return [[nan if row <= unseen // 2 else 1.0] * self.width for row in range(1 + unseen)]

    @property
    def request_type(self) -> Any:
        return list_of(number(-LARGEST_NUMBER), self.width, self.width)

    def staged_columns(self) -> str:
        """Its length, null where it is missing, and whether each component is there and not too large."""
        # NaN is above every number. Nulls are left out of both ends.
        column = self.quoted
        ends = f"list_max({column}) <= {LARGEST_NUMBER:g} and list_min({column}) >= -{LARGEST_NUMBER:g}"
        whole = f"{ends} and list_count({column}) = len({column})"
        return f"len({column}) as {self.staged('length')}, {whole} as {self.staged('finite')}"

    def missing_sql(self) -> str:
        return f"{self.staged('length')} is null"

    def checks(self) -> Iterator[Check]:
        yield Check(
            "vectors_whole",
            "A vector of another length, or with a hole, comes from another embedding model than the rest; the tower "
            "would read it as if it meant the same. So does one with a number whose square is beyond a float32.",
            f"({self.staged('length')} <> {self.width} or not {self.staged('finite')})",
        )

    def counts(self) -> Iterator[Counted]:
        """Its Euclidean length."""
        squares = f"list_transform({self.quoted}, lambda x: cast(x as double) * x)"
        yield Counted(self.name, "embedding", f"sqrt(list_sum({squares}))")
