"""A category: a text or a whole number that is hashed into buckets, each with a learned embedding."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mtmd.features.feature import Check, Counted, Feature, Matrix, is_category
from mtmd.features.hashing import hash_buckets
from mtmd.features.requests import CATEGORIES, LONGEST_TEXT

_NO_NAME = 65_536  # characters that no category has: a document, or the rest of a file behind a lost quote


class Hashed(Feature):
    """What categories of one value and of many have: buckets, and the embedding table that they are read in."""

    takes: ClassVar[frozenset[str]] = frozenset(("shallow", "buckets", "type"))

    buckets: int = Field(ge=1, le=2**31 - 2, description="hash buckets")
    table: str | None = Field(
        None,
        description="another feature, of either side, with equal buckets and width: a value of both is one embedding",
    )
    min_count: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="a value that fewer of the window's training requests have, on the item side fewer of their "
        "candidates, is read as missing",
    )

    @property
    def hashed_as(self) -> str:
        """The feature name that is hashed with each value: features that share a table hash alike."""
        return self.table or self.name

    def length_checks(self, longest: str) -> Iterator[Check]:
        """Of texts; `longest` is SQL of the characters of the longest one in a row."""
        yield Check(
            "categories_bounded",
            f"A text of more than {_NO_NAME} characters is a document, or what follows a lost quote or separator: the "
            "model would learn a category that never comes again, and whatever the text swallowed is lost.",
            f"({longest} > {_NO_NAME})",
        )
        yield Check(
            "categories_short",
            f"A category of more than {LONGEST_TEXT} characters is no name of anything, and the service refuses it.",
            f"({longest} > {LONGEST_TEXT})",
            stops=False,
        )


class Categorical(Hashed):
    """A category of one value; 0 is missing, 1..buckets the hashed value."""

    matrix: ClassVar[Matrix] = "categorical"
    types: ClassVar[tuple[str, ...]] = ("VARCHAR", "INTEGER", "BIGINT")

    kind: Literal["categorical"] = "categorical"
    dropout: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="share of training rows in which the value is read as missing, so that something is learned for "
        "values that the window never had; goes with `min_count`, which reads those as missing",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.dropout is not None and self.min_count is None:
            raise ValueError(
                f"feature {self.name!r} has `dropout` and no `min_count`, which it needs; set it to 1"
            )
        return self

    def accepts(self, kind: pa.DataType) -> bool:
        return is_category(kind)

    def encode(self, table: pa.Table, seed: int) -> NDArray[np.int32]:
        return hash_buckets(self.column(table), seed, self.hashed_as, self.buckets)

    def hard_rows(self, unseen: int) -> NDArray[np.int32]:
        """Missing, then ids from the last one down at a stride: most were never trained, both ends are read."""
        step = np.arange(unseen) * (1 + self.buckets // max(unseen, 1))
        return np.concatenate([[0], self.buckets - step % self.buckets]).astype(np.int32)

    def request_types(self) -> dict[str, Any]:
        return {self.name: CATEGORIES[self.column_type]}

    def checks(self) -> Iterator[Check]:
        if self.column_type == "VARCHAR":
            yield from self.length_checks(f"length({self.quoted})")

    def counts(self) -> Iterator[Counted]:
        yield Counted(self.name, "categorical", "rpt_category_counts", "VARCHAR")
