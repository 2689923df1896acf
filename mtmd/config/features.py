"""Feature declarations: what each tower reads, and where each value sits in its matrices."""

from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mtmd.config.base import Frozen
from mtmd.config.domains import Domains
from mtmd.config.ids import IdsConfig

Side = Literal["query", "item"]
Kind = Literal["continuous", "categorical", "embedding"]
ColumnType = Literal["FLOAT", "DOUBLE", "INTEGER", "BIGINT", "VARCHAR", "UUID"]
Pooling = Literal["mean", "sum", "max", "attention"]
Companion = Literal["weights", "actions", "ages"]  # what a list may have beside each of its values

LONGEST_LIST = 10_000  # values of one list in the logs or in a request: a longer one is taken for a mistake
COMPANION_TYPES: dict[Companion, str] = {"weights": "FLOAT[]", "actions": "VARCHAR[]", "ages": "FLOAT[]"}


def _is_unset(value: object) -> bool:
    """Keys that came later are dumped only where a preset sets them, so that names of older outputs stay."""
    return value is None or value is False


class Feature(Frozen):
    """One column of `requests` (query side) or `ads` (item side) that a tower reads."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    side: Side
    kind: Kind
    domains: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="surfaces (query side) or products (item side) that have it; all when omitted",
    )
    shallow: bool = Field(
        False, description="read by the shallow experts too (categorical only; paper §2.1.3)"
    )
    buckets: int | None = Field(None, ge=1, le=2**31 - 2, description="hash buckets (categorical only)")
    width: int = Field(
        16, ge=1, le=4096, description="of a category's embedding; for `embedding`, the vector's length"
    )
    type: ColumnType | None = Field(
        None, description="column type in the logs, of one value where `multi`; VARCHAR or FLOAT by kind"
    )
    log1p: bool = Field(False, description="read as sign(x) · ln(1 + |x|) (continuous only)")
    multi: bool = Field(
        False,
        exclude_if=_is_unset,
        description="a row has a list of values: the column is a list of `type` (categorical only)",
    )
    max_length: int | None = Field(
        None,
        ge=1,
        le=1_000,
        exclude_if=_is_unset,
        description="of a list, its first values that are read; the rest is left out (multi only)",
    )
    pooling: Pooling | None = Field(
        None,
        exclude_if=_is_unset,
        description="how a list's embeddings become one: mean when omitted; attention learns which values count, "
        "whatever the other side is (multi only)",
    )
    weights: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9_]*$",
        exclude_if=_is_unset,
        description="column FLOAT[] with a weight for each value, 0 or more (multi, mean and sum only)",
    )
    actions: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9_]*$",
        exclude_if=_is_unset,
        description="column VARCHAR[] with what was done with each value, such as click or hide (multi only)",
    )
    ages: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9_]*$",
        exclude_if=_is_unset,
        description="column FLOAT[] with the age of each value, 0 or more, best in hours (multi only)",
    )
    table: str | None = Field(
        None,
        exclude_if=_is_unset,
        description="another feature, of either side, with equal buckets and width: a value of both is one embedding "
        "(categorical only)",
    )
    min_count: int | None = Field(
        None,
        ge=2,
        le=1_000_000,
        exclude_if=_is_unset,
        description="a value that fewer of the window's training requests have, on the item side fewer of their "
        "candidates, is read as missing (categorical only)",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        categorical, continuous = self.kind == "categorical", self.kind == "continuous"
        allowed = {
            "continuous": {"FLOAT", "DOUBLE", "INTEGER", "BIGINT"},
            "categorical": {"VARCHAR", "INTEGER", "BIGINT", "UUID"},
            "embedding": {"FLOAT"},
        }[self.kind]
        for fits, rule in (
            (categorical == (self.buckets is not None), "`buckets` goes with categorical, and only there"),
            (categorical or not self.shallow, "only categorical features can be shallow"),
            (continuous or not self.log1p, "only continuous features can take log1p"),
            (self.type in {None, *allowed}, f"type {self.type} must be one of {sorted(allowed)}"),
            (categorical or not self.multi, "only categorical features can be multi"),
            (
                not self.multi or self.type != "UUID",
                "a list of UUIDs is declared as VARCHAR, with their texts",
            ),
            (categorical or self.table is None, "only categorical features can share a `table`"),
            (categorical or self.min_count is None, "only categorical features can have a `min_count`"),
            (self.multi == (self.max_length is not None), "`max_length` goes with multi, which needs it"),
            (self.multi or self.pooling is None, "`pooling` goes with multi"),
            (self.multi or not self.companions, "`weights`, `actions` and `ages` go with multi"),
            (
                self.weights is None or self.pooling in {None, "mean", "sum"},
                f"`weights` go with pooling mean or sum, not {self.pooling}",
            ),
        ):
            if not fits:
                raise ValueError(f"feature {self.name!r} is {self.kind}: {rule}")
        return self

    @property
    def column_type(self) -> str:
        """The DuckDB type that the column is read as: `mtmd/logs/columns.py` says which types are cast to it."""
        if self.kind == "embedding":
            return "FLOAT[]"
        value_type = self.type or ("FLOAT" if self.kind == "continuous" else "VARCHAR")
        return f"{value_type}[]" if self.multi else value_type

    @property
    def companions(self) -> dict[Companion, str]:
        """The columns of what the values of a list have beside them, in the order of `Companion`."""
        columns = {"weights": self.weights, "actions": self.actions, "ages": self.ages}
        return {what: column for what in COMPANION_TYPES if (column := columns[what]) is not None}

    @property
    def hashed_as(self) -> str:
        """The feature name that is hashed with each value: features that share a table hash alike."""
        return self.table or self.name


class SideSchema(Frozen):
    """The features of one tower in matrix order: continuous, categorical with one value, embedding, then lists.

    Fields are numbered in that order too. N rows are three matrices: `continuous` (N, C) float32,
    `categorical` (N, K) int64 with 0 = missing and 1..buckets = hashed value, `embedding` (N, V) float32 with
    all vectors side by side; and for each list its hashed values. Missing numbers are NaN, a missing list is empty.
    """

    side: Side
    domains: tuple[str, ...] = Field(description="surfaces or products, in index order")
    continuous: tuple[Feature, ...]
    categorical: tuple[Feature, ...]
    embedding: tuple[Feature, ...]
    lists: tuple[Feature, ...] = Field((), description="multi-valued categorical features")
    shared: frozenset[str] = Field(
        frozenset(), description="features, of either side, whose table others read too"
    )
    uuid_tables: frozenset[str] = Field(
        frozenset(), description="features whose table has UUIDs, be it that others give their texts"
    )

    @property
    def fields(self) -> tuple[Feature, ...]:
        return self.continuous + self.categorical + self.embedding + self.lists

    @property
    def columns(self) -> dict[str, str]:
        """Columns of the logs that the features are read from, with their DuckDB types."""
        companions = {
            column: COMPANION_TYPES[what]
            for feature in self.lists
            for what, column in feature.companions.items()
        }
        return {feature.name: feature.column_type for feature in self.fields} | companions

    @property
    def vector_width(self) -> int:
        """V: total width of the vectors."""
        return sum(feature.width for feature in self.embedding)

    @property
    def shallow(self) -> tuple[int, ...]:
        """Positions, within the categorical features, of the shallow ones."""
        return tuple(i for i, feature in enumerate(self.categorical) if feature.shallow)

    @property
    def present(self) -> NDArray[np.bool_]:
        """(|domains|, F): whether the domain has the field."""
        return np.array(
            [[f.domains is None or name in f.domains for f in self.fields] for name in self.domains],
            dtype=np.bool_,
        )


class Declarations(Frozen):
    """All that decides how a raw row becomes a tower's input; part of every shard and every bundle."""

    domains: Domains
    features: tuple[Feature, ...] = Field(min_length=2)
    hash_seed: int = Field(0, ge=0, description="seed of the categorical hash")
    ids: IdsConfig = Field(
        IdsConfig(),
        exclude_if=lambda ids: ids == IdsConfig(),  # so that ids of the usual type change no output's name
        description="types of the ids",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [(feature.side, feature.name) for feature in self.features]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"features {sorted(repeated)} are declared more than once")
        for feature in self.features:
            known = self.domains.surfaces if feature.side == "query" else self.domains.products
            if feature.domains is not None and (bad := set(feature.domains) - set(known)):
                raise ValueError(
                    f"feature {feature.name!r} names domains {sorted(bad)}; declared: {list(known)}"
                )
        for side in ("query", "item"):
            if not any(feature.side == side and feature.shallow for feature in self.features):
                raise ValueError(
                    f"the {side} side has no shallow feature; mark one categorical with shallow = true"
                )
        return self

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        names = {(feature.side, feature.name) for feature in self.features}
        for feature in self.features:
            for what, column in feature.companions.items():
                if (feature.side, column) in names:
                    raise ValueError(
                        f"feature {feature.name!r} has {what} {column!r}, which is a feature itself; give the {what} a "
                        "column of their own"
                    )
            if feature.table is not None:
                self._check_table(feature)
        return self

    def _check_table(self, feature: Feature) -> None:
        """Raise ValueError unless one other feature has the table, with as many rows of the same width."""
        owners = [
            f for f in self.features if f.name == feature.table and f.table is None and f is not feature
        ]
        what = f"feature {feature.name!r} has table {feature.table!r}"
        if len(owners) != 1:
            raise ValueError(
                f"{what}, which names {len(owners)} features that have a table of their own; it must name one"
            )
        own, theirs = (feature.buckets, feature.width), (owners[0].buckets, owners[0].width)
        if own != theirs:
            raise ValueError(
                f"{what}, and {own} buckets and width; they must be {theirs}, as those of {feature.table!r}"
            )

    @cached_property
    def query(self) -> SideSchema:
        return self._side("query", self.domains.surfaces)

    @cached_property
    def item(self) -> SideSchema:
        return self._side("item", self.domains.products)

    @property
    def uuid_tables(self) -> frozenset[str]:
        """Names that are hashed with UUIDs: of features of that type, and of those that share a table with one."""
        return frozenset(feature.hashed_as for feature in self.features if feature.type == "UUID")

    @property
    def has_uuid_texts(self) -> bool:
        """Whether a feature of text, such as a list, shares its table with UUIDs."""
        return any(f.type in {None, "VARCHAR"} and f.hashed_as in self.uuid_tables for f in self.features)

    def _side(self, side: Side, domains: tuple[str, ...]) -> SideSchema:
        declared = [feature for feature in self.features if feature.side == side]
        return SideSchema(
            side=side,
            domains=domains,
            continuous=tuple(f for f in declared if f.kind == "continuous"),
            categorical=tuple(f for f in declared if f.kind == "categorical" and not f.multi),
            embedding=tuple(f for f in declared if f.kind == "embedding"),
            lists=tuple(f for f in declared if f.multi),
            shared=frozenset(f.table for f in self.features if f.table is not None),
            uuid_tables=self.uuid_tables,
        )
