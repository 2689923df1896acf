"""A category: a text or a whole number that is hashed into buckets, each with a learned embedding.

A value's bucket is the first 8 bytes (big-endian) of md5("<seed>/<feature>/<text>") in UTF-8, modulo the feature's
buckets, plus 1. The text is the string itself, or an integer in decimal. The feature is the one whose table is read:
another one's, where `table` names it. A change makes every stored shard and bundle wrong, so a test pins its values.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mtmd.features.feature import CATEGORIES, LONGEST_TEXT, Check, Counted, Feature, Matrix


@lru_cache(maxsize=2**16)
def hash_bucket(seed: int, feature: str, value: str, buckets: int) -> int:
    """Bucket of a categorical value, in 1..buckets; 0 is left for missing."""
    key = hashlib.md5(f"{seed}/{feature}/{value}".encode(), usedforsecurity=False).digest()
    return 1 + int.from_bytes(key[:8], "big") % buckets


def hash_buckets(values: Any, seed: int, feature: str, buckets: int) -> Any:
    """(N,) int32, 0 for nulls. Each distinct value is hashed once."""
    import numpy as np
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(values)
    table = np.zeros(len(coded.dictionary) + 1, np.int32)  # the last one stays 0: the null's
    for code, value in enumerate(coded.dictionary.to_pylist()):
        table[code] = hash_bucket(seed, feature, str(value), buckets)
    codes = pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False)
    return table[codes]


_NO_NAME = 65_536  # characters that no category has: a document, or the rest of a file behind a lost quote


class Hashed(Feature):
    """What categories of one value and of many have: buckets, and the embedding table that they are read in."""

    type: Literal["VARCHAR", "INTEGER", "BIGINT"] = "VARCHAR"
    shallow: bool = Field(False, description="read by the shallow experts too; paper §2.1.3")
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

    def encode(self, table: Any, seed: int) -> Any:
        return hash_buckets(self.column(table), seed, self.hashed_as, self.buckets)

    def hard_rows(self, unseen: int) -> list[int]:
        """Missing, then ids from the last one down at a stride: most were never trained, both ends are read."""
        stride = 1 + self.buckets // max(unseen, 1)
        return [0, *(self.buckets - row * stride % self.buckets for row in range(unseen))]

    @property
    def request_type(self) -> Any:
        return CATEGORIES[self.column_type]

    def checks(self) -> Iterator[Check]:
        if self.column_type == "VARCHAR":
            yield from self.length_checks(f"length({self.quoted})")

    def counts(self) -> Iterator[Counted]:
        yield Counted(self.name, "categorical", self.quoted)
