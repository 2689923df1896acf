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
    type: ColumnType | None = Field(None, description="column type in the logs; VARCHAR or FLOAT by kind")
    log1p: bool = Field(False, description="read as sign(x) · ln(1 + |x|) (continuous only)")

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
        ):
            if not fits:
                raise ValueError(f"feature {self.name!r} is {self.kind}: {rule}")
        return self

    @property
    def column_type(self) -> str:
        """The DuckDB type that the column is read as: `mtmd/logs/columns.py` says which types are cast to it."""
        if self.kind == "embedding":
            return "FLOAT[]"
        return self.type or ("FLOAT" if self.kind == "continuous" else "VARCHAR")


class SideSchema(Frozen):
    """The features of one tower in matrix order: continuous, then categorical, then embedding.

    Fields are numbered in that order too. N rows are three matrices: `continuous` (N, C) float32,
    `categorical` (N, K) int64 with 0 = missing and 1..buckets = hashed value, `embedding` (N, V) float32 with
    all vectors side by side. Missing numbers are NaN.
    """

    side: Side
    domains: tuple[str, ...] = Field(description="surfaces or products, in index order")
    continuous: tuple[Feature, ...]
    categorical: tuple[Feature, ...]
    embedding: tuple[Feature, ...]

    @property
    def fields(self) -> tuple[Feature, ...]:
        return self.continuous + self.categorical + self.embedding

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

    @cached_property
    def query(self) -> SideSchema:
        return self._side("query", self.domains.surfaces)

    @cached_property
    def item(self) -> SideSchema:
        return self._side("item", self.domains.products)

    def _side(self, side: Side, domains: tuple[str, ...]) -> SideSchema:
        declared = [feature for feature in self.features if feature.side == side]
        return SideSchema(
            side=side,
            domains=domains,
            continuous=tuple(f for f in declared if f.kind == "continuous"),
            categorical=tuple(f for f in declared if f.kind == "categorical"),
            embedding=tuple(f for f in declared if f.kind == "embedding"),
        )
