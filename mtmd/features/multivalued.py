"""A list of categories, such as tags or the ads that a user clicked, with what may stand beside each value.

Beside a value may be a weight, an action and an age, each in a list column of its own. Weights are read as they are,
actions are hashed as categories are, with their column's name, into ACTIONS buckets, and ages fall into AGES bins, each
half an octave of 1 + age wide.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mtmd.errors import LogsError
from mtmd.features.categorical import Hashed, hash_buckets
from mtmd.features.encoded_list import EncodedList, consecutive, starts
from mtmd.features.feature import (
    ARROW_TYPES,
    CATEGORIES,
    LARGEST_NUMBER,
    LONGEST_LIST,
    TEXT,
    Check,
    Counted,
    Matrix,
    is_category,
    is_list,
    is_vector,
    list_of,
    number,
)

ACTIONS, AGES = 256, 32
COMPANION_TYPES = {"weights": "FLOAT[]", "actions": "VARCHAR[]", "ages": "FLOAT[]"}
_Column = Annotated[str | None, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class MultiValued(Hashed):
    """A category with any number of values in a row; no value is missing."""

    matrix: ClassVar[Matrix] = "lists"
    types: ClassVar[tuple[str, ...]] = ("VARCHAR", "INTEGER", "BIGINT")

    kind: Literal["multivalued"] = "multivalued"
    max_length: int = Field(
        ge=1, le=1_000, description="of a list, its first values that are read; the rest is left out"
    )
    pooling: Literal["mean", "sum", "attention"] | None = Field(
        None,
        description="how a list's embeddings become one: mean when omitted; attention learns which values count, "
        "whatever the other side is",
    )
    weights: _Column = Field(
        None, description="column FLOAT[] with a weight for each value, 0 to 1e18 (mean and sum only)"
    )
    actions: _Column = Field(
        None, description="column VARCHAR[] with what was done with each value, such as click or hide"
    )
    ages: _Column = Field(
        None, description="column FLOAT[] with the age of each value, 0 to 1e18, best in hours"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.weights is not None and self.pooling not in {None, "mean", "sum"}:
            raise ValueError(
                f"feature {self.name!r} has `weights`, which go with pooling mean or sum, not {self.pooling}"
            )
        return self

    @property
    def column_type(self) -> str:
        return f"{super().column_type}[]"

    @property
    def companions(self) -> dict[str, str]:
        """The columns of what its values have beside them, in the order of COMPANION_TYPES."""
        found = {what: getattr(self, what) for what in COMPANION_TYPES}
        return {what: column for what, column in found.items() if column is not None}

    @property
    def columns(self) -> dict[str, str]:
        beside = {column: COMPANION_TYPES[what] for what, column in self.companions.items()}
        return {self.name: self.column_type} | beside

    def accepts(self, kind: pa.DataType) -> bool:
        return is_list(kind) and is_category(kind.value_type)

    def encode(self, table: pa.Table, seed: int) -> EncodedList:
        """N lists.

        Raises LogsError too for a null in a list, a list longer than LONGEST_LIST, weights, actions or ages that are
        not as many as the values, actions that are null, and weights or ages that are not numbers of 0 or more.
        """
        array = self.column(table)
        lengths, values = _lengths(array), array.flatten()
        if values.null_count:
            raise LogsError(
                f"feature {self.name!r} has {values.null_count} nulls inside of lists; leave them out, and write null "
                "or an empty list where no value is known"
            )
        if (longest := int(lengths.max(initial=0))) > LONGEST_LIST:
            raise LogsError(
                f"feature {self.name!r} has a list of {longest} values; at most {LONGEST_LIST} are allowed, of which "
                f"the first {self.max_length} are read: write no more than those"
            )
        kept = np.minimum(lengths, self.max_length).astype(np.int32)
        places = consecutive(starts(lengths), kept)
        ids = hash_buckets(values.take(pa.array(places)), seed, self.hashed_as, self.buckets)
        beside = {what: self._beside(table, what, lengths, places, seed) for what in self.companions}
        return EncodedList(starts(kept), kept, ids, **beside)

    def _beside(
        self,
        table: pa.Table,
        what: str,
        wanted: NDArray[np.int64],
        places: NDArray[np.int64],
        seed: int,
    ) -> NDArray[Any]:
        """What stands beside the values at `places`; `wanted` (N,) is the length of each list."""
        column = self.companions[what]
        array = self._companion(table, what, column)
        values = array.flatten()
        wrong = int((_lengths(array) != wanted).sum())
        if wrong:
            rule = "have another length than the list; write one for each value"
        elif what == "actions":
            wrong, rule = values.null_count, "are null; write a text for each value"
        else:
            numbers = pc.fill_null(values.cast(pa.float32()), float("nan")).to_numpy(zero_copy_only=False)
            wrong = int((~(np.isfinite(numbers) & (numbers >= 0))).sum())
            rule = "are null, NaN, infinite or negative; each must be a number of 0 or more"
        if wrong:
            raise LogsError(f"feature {self.name!r}: {wrong} of its {what} {column!r} {rule}")
        if what == "actions":
            return hash_buckets(values.take(pa.array(places)), seed, column, ACTIONS)
        return numbers[places] if what == "weights" else age_bins(numbers[places])

    def _companion(self, table: pa.Table, what: str, column: str) -> pa.Array:
        """The column of what stands beside the values, as one array."""
        place = f"feature {self.name!r} has {what} {column!r}"
        if column not in table.column_names:
            raise LogsError(f"{place}, and there is no such column; add it")
        array, declared = table.column(column).combine_chunks(), COMPANION_TYPES[what]
        if pa.types.is_null(array.type) or array.type == pa.list_(pa.null()):
            return array.cast(ARROW_TYPES[declared])
        if not (self.accepts(array.type) if what == "actions" else is_vector(array.type)):
            raise LogsError(f"{place}, whose column has Arrow type {array.type}; give it the type {declared}")
        return array

    def hard_rows(self, unseen: int) -> EncodedList:
        """Missing, one value, then lists as long as they may be and shorter by one with each row."""
        longest = [self.max_length - step % self.max_length for step in range(unseen - 1)]
        length = np.array([0, 1, *longest], np.int32)[: 1 + unseen]
        step = np.arange(int(length.sum()))
        beside: dict[str, Any] = {
            "weights": (step % 5).astype(np.float32),
            "actions": (1 + step % ACTIONS).astype(np.int32),
            "ages": (1 + step % AGES).astype(np.int32),
        }
        ids = (self.buckets - step % self.buckets).astype(np.int32)
        return EncodedList(starts(length), length, ids, **{what: beside[what] for what in self.companions})

    def request_types(self) -> dict[str, Any]:
        types = {
            self.name: list_of(
                CATEGORIES[self.type or "VARCHAR"], says=f"the first {self.max_length} are read"
            )
        }
        for what, column in self.companions.items():
            value = TEXT if what == "actions" else number(0)
            types[column] = list_of(value, says=f"{what}, one for each value of {self.name}")
        return types

    def staged_columns(self) -> str:
        """The values that are read, and what the checks need of all of them."""
        column, length = self.quoted, f"coalesce(len({self.quoted}), 0)"
        read = f"list_slice({column}, 1, {self.max_length})"
        reduced = [
            f"{read} as {column}",
            f"{length} as {self.staged('length')}",
            f"{length} - coalesce(list_count({column}), 0) as {self.staged('nulls')}",
        ]
        if self.type in {None, "VARCHAR"}:
            texts = [read] if self.actions is None else [read, f'"{self.actions}"']
            ends = ", ".join(f"list_max(list_transform({text}, lambda one: length(one)))" for text in texts)
            reduced.append(f"greatest({ends}) as {self.staged('longest')}")
        for what, beside in self.companions.items():
            # As many as values, no null among them; numbers from 0 to what the service takes. NaN is above all.
            sound = (
                f'coalesce(len("{beside}"), 0) = {length} and coalesce(list_count("{beside}"), 0) = {length}'
            )
            if COMPANION_TYPES[what] == "FLOAT[]":
                numbers = f'list_max("{beside}") <= {LARGEST_NUMBER:g} and list_min("{beside}") >= 0'
                sound += f" and coalesce({numbers}, true)"
            reduced.append(f"{sound} as {self.staged(what)}")
        return ", ".join(reduced)

    def missing_sql(self) -> str:
        return f"({self.staged('length')} = 0)"

    def single_values(self, table: str, key: str) -> str:
        return f"(select {key}, unnest({self.quoted}) as {self.quoted} from {table})"

    def checks(self) -> Iterator[Check]:
        if self.type in {None, "VARCHAR"}:
            yield from self.length_checks(self.staged("longest"))
        length = self.staged("length")
        yield Check(
            "lists_whole",
            f"A null inside of a list says that the writer lost a value, a list of more than {LONGEST_LIST} values "
            "that it joined too much: both are refused when the day is extracted.",
            f"({self.staged('nulls')} > 0 or {length} > {LONGEST_LIST})",
        )
        yield Check(
            "lists_within_max_length",
            "Values after the first `max_length` are never read: raise it, or write the ones that matter first.",
            f"({length} > {self.max_length})",
            stops=False,
        )
        for what in self.companions:
            yield Check(
                f"list_{what}_sound",
                f"A list has one of its {what} for each value, none of them null, and as numbers 0 to "
                f"{LARGEST_NUMBER:g}. Others would turn the list into anything, and the service refuses them; where "
                "there are more or fewer, they belong to other values.",
                f"(not {self.staged(what)})",
            )

    def counts(self) -> Iterator[Counted]:
        """Its values, and its length."""
        yield Counted(self.name, "categorical", "rpt_list_counts", "VARCHAR[]")
        yield Counted(f"{self.name}.length", "continuous", "rpt_list_length_counts", "VARCHAR[]")


def age_bins(ages: NDArray[np.float32]) -> NDArray[np.int32]:
    """1 + the whole part of 2 · log2(1 + age), at most AGES."""
    bins = 1 + np.floor(2 * np.log2(1 + ages.astype(np.float64)))
    return np.asarray(np.minimum(bins, AGES), np.int32)


def _lengths(array: pa.Array) -> NDArray[np.int64]:
    """(N,) values of each list, 0 of a null."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    return np.asarray(lengths, np.int64)
