"""Kinds of features, one module each: its settings, column, encoding, request type, checks and what is monitored.

A new kind is a module here that names one of the four matrices (`Matrix`) for its encoded values, and its class in
`KINDS`. Layers of its own, trained and served, would be a module of `mtmd.model`.
"""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union

from pydantic import Discriminator, Tag, TypeAdapter

from mtmd.features.categorical import Categorical, Hashed
from mtmd.features.continuous import Continuous
from mtmd.features.embedding import Embedding
from mtmd.features.feature import MATRICES, Check, Feature, Matrix, Side
from mtmd.features.multivalued import MultiValued

KINDS: dict[str, type[Feature]] = {
    "continuous": Continuous,
    "categorical": Categorical,
    "embedding": Embedding,
    "multivalued": MultiValued,
}

__all__ = [
    "KINDS",
    "MATRICES",
    "AnyFeature",
    "Categorical",
    "Check",
    "Continuous",
    "Embedding",
    "Feature",
    "Hashed",
    "Matrix",
    "MultiValued",
    "Side",
    "feature",
]


def _kind(value: Any) -> str | None:
    """The tag of a feature: one that is no key of it, so that the place of an error is told by keys alone."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"kind {kind}" if kind in KINDS else None


if TYPE_CHECKING:
    AnyFeature: TypeAlias = Feature
else:
    AnyFeature = Annotated[
        Union[tuple(Annotated[kind, Tag(f"kind {name}")] for name, kind in KINDS.items())],  # noqa: UP007
        Discriminator(
            _kind,
            custom_error_type="feature_kind",
            custom_error_message=f"must be a table whose kind is one of {', '.join(KINDS)}",
        ),
    ]


def feature(**settings: Any) -> Feature:
    """A feature of the kind that its settings name; raises pydantic's ValidationError."""
    made: Feature = TypeAdapter(AnyFeature).validate_python(settings)
    return made
