"""A number: an amount, a rate, an age. NaN means missing, as many writers mean by it."""

from collections.abc import Iterator
from math import nan
from typing import Any, ClassVar, Literal

from pydantic import Field

from mtmd.features.feature import LARGEST_NUMBER, NUMBERS, Check, Counted, Feature, Matrix, refuse_infinite


class Continuous(Feature):
    """One number, normalised by its domain; NaN is missing."""

    matrix: ClassVar[Matrix] = "continuous"

    kind: Literal["continuous"] = "continuous"
    type: Literal["FLOAT", "DOUBLE", "INTEGER", "BIGINT"] = "FLOAT"
    log1p: bool = Field(False, description="read as sign(x) · ln(1 + |x|)")

    @property
    def _is_floating(self) -> bool:
        return self.column_type in {"FLOAT", "DOUBLE"}

    def encode(self, table: Any, seed: int) -> Any:
        """(N,) float32; with log1p, sign(x) · ln(1 + |x|), taken in double precision."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.column(table).cast(pa.float64(), safe=False)
        values = pc.fill_null(column, float("nan")).to_numpy(zero_copy_only=False)
        if self.log1p:
            values = np.copysign(np.log1p(np.abs(values)), values)
        with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, and is refused as such
            numbers = values.astype(np.float32)
        refuse_infinite(numbers, self)
        return numbers

    def hard_rows(self, unseen: int) -> list[float]:
        """Missing, then far out on both sides."""
        return [nan, *(1e6 if row % 2 else -1e6 for row in range(unseen))]

    @property
    def request_type(self) -> Any:
        return NUMBERS[self.column_type]

    def missing_sql(self) -> str:
        if self._is_floating:
            return f"({self.quoted} is null or isnan({self.quoted}))"
        return super().missing_sql()

    def checks(self) -> Iterator[Check]:
        if self._is_floating:
            yield Check(
                "numbers_finite",
                "An infinite feature makes its whole domain's statistics infinite, then every score; so does one whose "
                "square is beyond a float32.",
                f"(abs({self.quoted}) > {LARGEST_NUMBER:g} and not isnan({self.quoted}))",
            )

    def counts(self) -> Iterator[Counted]:
        yield Counted(self.name, "continuous", self.quoted)
