"""All features of a preset: what each tower reads, and where each value sits in its matrices."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from mtmd.config.base import Frozen
from mtmd.config.domains import Domains
from mtmd.features import MATRICES, AnyFeature, Categorical, Feature, Hashed, MultiValued, Side

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IdType = Literal["BIGINT", "VARCHAR"]


class IdsConfig(Frozen):
    """The type of each kind of id. Ids keep it everywhere: `mtmd/logs/contract.py` says how each type is held."""

    request: IdType = Field("BIGINT", description="type of request_id in requests and candidates")
    user: IdType = Field("BIGINT", description="type of user_id in requests")
    ad: IdType = Field("BIGINT", description="type of ad_id in ads and candidates")


class SideSchema(Frozen):
    """The features of one tower, by the matrix that their encoded values are in; fields are in that order too.

    N rows are three matrices: `continuous` (N, C) float32, `categorical` (N, K) int64 with 0 = missing and
    1..buckets = hashed value, `embedding` (N, V) float32 with all vectors side by side; and for each list its hashed
    values. Missing numbers are NaN, a missing list is empty.
    """

    side: Side
    domains: tuple[str, ...] = Field(description="surfaces or products, in index order")
    continuous: tuple[Feature, ...]
    categorical: tuple[Categorical, ...]
    embedding: tuple[Feature, ...]
    lists: tuple[MultiValued, ...] = ()
    shared: frozenset[str] = Field(
        frozenset(), description="features, of either side, whose table others read too"
    )

    @property
    def fields(self) -> tuple[Feature, ...]:
        return self.continuous + self.categorical + self.embedding + self.lists

    @property
    def columns(self) -> dict[str, str]:
        """Columns of the logs that the features are read from, with their DuckDB types."""
        return {feature.name: feature.column_type for feature in self.fields}

    @property
    def vector_width(self) -> int:
        """V: total width of the vectors."""
        return sum(feature.size for feature in self.embedding)

    @property
    def shallow(self) -> tuple[int, ...]:
        """Positions, within the categorical features, of the shallow ones."""
        return tuple(i for i, feature in enumerate(self.categorical) if feature.shallow)

    @property
    def present(self) -> "NDArray[np.bool_]":
        """(|domains|, F): whether the domain has the field."""
        import numpy as np

        return np.array(
            [[f.domains is None or name in f.domains for f in self.fields] for name in self.domains],
            dtype=np.bool_,
        )


class Declarations(Frozen):
    """All that decides how a raw row becomes a tower's input; part of every shard and every bundle."""

    domains: Domains
    features: tuple[AnyFeature, ...] = Field(min_length=2)
    hash_seed: int = Field(0, ge=0, description="seed of the categorical hash")
    ids: IdsConfig = IdsConfig()

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
        for side, known in (("query", self.domains.surfaces), ("item", self.domains.products)):
            theirs = [feature.domains or known for feature in self.features if feature.side == side]
            if bare := set(known).difference(*theirs):
                raise ValueError(f"{sorted(bare)} of the {side} side have no feature; give them one")
            if not any(feature.side == side and feature.shallow for feature in self._hashed):
                raise ValueError(
                    f"the {side} side has no shallow feature; mark one categorical with shallow = true"
                )
        return self

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        for feature in self.features:
            if isinstance(feature, Hashed) and feature.table is not None:
                self._check_table(feature)
        return self

    def _check_table(self, feature: Hashed) -> None:
        """Raise ValueError unless one other feature has the table, with as many rows of the same width."""
        owners = [f for f in self._hashed if f.name == feature.table and f.table is None and f is not feature]
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
    def _hashed(self) -> tuple[Hashed, ...]:
        return tuple(feature for feature in self.features if isinstance(feature, Hashed))

    def _side(self, side: Side, domains: tuple[str, ...]) -> SideSchema:
        declared = [feature for feature in self.features if feature.side == side]
        matrices: dict[str, Any] = {
            matrix: tuple(feature for feature in declared if feature.matrix == matrix) for matrix in MATRICES
        }
        return SideSchema(
            side=side,
            domains=domains,
            shared=frozenset(feature.table for feature in self._hashed if feature.table is not None),
            **matrices,
        )
