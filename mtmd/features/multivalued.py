"""A list of categories, such as tags or the ads that a user clicked."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from mtmd.errors import LogsError
from mtmd.features.categorical import Hashed, hash_buckets
from mtmd.features.feature import (
    CATEGORIES,
    LONGEST_LIST,
    Check,
    Counted,
    EncodedList,
    Matrix,
    consecutive,
    list_of,
    starts,
)


class MultiValued(Hashed):
    """A category with any number of values in a row; no value is missing."""

    matrix: ClassVar[Matrix] = "lists"

    kind: Literal["multivalued"] = "multivalued"
    max_length: int = Field(
        ge=1, le=1_000, description="of a list, its first values that are read; the rest is left out"
    )
    pooling: Literal["mean", "attention"] | None = Field(
        None,
        description="how a list's embeddings become one: mean when omitted; attention learns which values count, "
        "whatever the other side is",
    )

    @property
    def column_type(self) -> str:
        return f"{super().column_type}[]"

    def encode(self, table: Any, seed: int) -> EncodedList:
        """N lists; raises LogsError too for a null in a list, and for a list longer than LONGEST_LIST."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        array = self.column(table)
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        values = array.flatten()
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
        return EncodedList(starts(kept), kept, ids)

    def hard_rows(self, unseen: int) -> EncodedList:
        """Missing, one value, then lists as long as they may be and shorter by one with each row."""
        import numpy as np

        longest = [self.max_length - step % self.max_length for step in range(unseen - 1)]
        length = np.array([0, 1, *longest], np.int32)[: 1 + unseen]
        step = np.arange(int(length.sum()))
        return EncodedList(starts(length), length, (self.buckets - step % self.buckets).astype(np.int32))

    @property
    def request_type(self) -> Any:
        value = CATEGORIES[self.type]
        return list_of(value, says=f"the first {self.max_length} are read")

    def staged_columns(self) -> str:
        """The values that are read, and what the checks need of all of them."""
        column, length = self.quoted, f"coalesce(len({self.quoted}), 0)"
        read = f"list_slice({column}, 1, {self.max_length})"
        reduced = [
            f"{read} as {column}",
            f"{length} as {self.staged('length')}",
            f"{length} - coalesce(list_count({column}), 0) as {self.staged('nulls')}",
        ]
        if self.type == "VARCHAR":
            longest = f"list_max(list_transform({read}, lambda one: length(one)))"
            reduced.append(f"{longest} as {self.staged('longest')}")
        return ", ".join(reduced)

    def missing_sql(self) -> str:
        return f"({self.staged('length')} = 0)"

    def single_values(self, table: str, key: str) -> str:
        return f"(select {key}, unnest({self.quoted}) as {self.quoted} from {table})"

    def checks(self) -> Iterator[Check]:
        if self.type == "VARCHAR":
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

    def counts(self) -> Iterator[Counted]:
        """Its values, of which a list without any has a missing one; and its length."""
        values = f"case when len({self.quoted}) > 0 then cast({self.quoted} as varchar[]) else [null] end"
        yield Counted(self.name, "categorical", f"unnest({values})")
        yield Counted(f"{self.name}.length", "continuous", f"coalesce(len({self.quoted}), 0)")
