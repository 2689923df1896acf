"""One feature: a column that a tower reads, and how."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mtmd.config.base import Frozen

Side = Literal["query", "item"]
Kind = Literal["continuous", "categorical", "embedding"]
ColumnType = Literal["FLOAT", "DOUBLE", "INTEGER", "BIGINT", "VARCHAR", "UUID"]
Pooling = Literal["mean", "sum", "max", "attention"]
Companion = Literal["weights", "actions", "ages"]  # what a list may have beside each of its values

LARGEST_NUMBER = 1e18  # in the logs or in a request; its square is a float32 number still
LONGEST_LIST = 10_000  # values of one list in the logs or in a request: a longer one is taken for a mistake
COMPANION_TYPES: dict[Companion, str] = {"weights": "FLOAT[]", "actions": "VARCHAR[]", "ages": "FLOAT[]"}


def _is_unset(value: object) -> bool:
    """Keys that came later are dumped only where a preset sets them, so that names of older outputs stay."""
    return value is None or value is False


class Feature(Frozen):
    """One column of `requests` (query side) or `ads` (item side) that a tower reads."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
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
        16,
        ge=1,
        le=4096,
        description="of the embedding of a category; for `embedding`, the vector's length",
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
        description="column FLOAT[] with a weight for each value, 0 to 1e18 (multi, mean and sum only)",
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
        description="column FLOAT[] with the age of each value, 0 to 1e18, best in hours (multi only)",
    )
    table: str | None = Field(
        None,
        exclude_if=_is_unset,
        description="another feature, of either side, with equal buckets and width: a value of both is one embedding "
        "(categorical only)",
    )
    min_count: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        exclude_if=_is_unset,
        description="a value that fewer of the window's training requests have, on the item side fewer of their "
        "candidates, is read as missing (categorical only)",
    )

    dropout: float | None = Field(
        None,
        gt=0,
        lt=1,
        exclude_if=_is_unset,
        description="share of training rows in which the value is read as missing, so that something is learned for "
        "values that the window never had; goes with `min_count`, which reads those as missing (not multi)",
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
            (
                (categorical and not self.multi) or self.dropout is None,
                "only categorical features of one value can have a `dropout`",
            ),
            (
                self.dropout is None or self.min_count is not None,
                "`dropout` goes with `min_count`, which it needs",
            ),
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
