"""Kinds of features, one module each: its settings, column, encoding, request type, checks and what is monitored.

A new kind is a module here that names one of the four matrices (`Matrix`) for its encoded values, and its class in
`AnyFeature`. Layers of its own, trained and served, would be a module of `mtmd.model`.
"""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from mtmd.features.categorical import Categorical, Hashed
from mtmd.features.continuous import Continuous
from mtmd.features.embedding import Embedding
from mtmd.features.feature import MATRICES, Check, Feature, Matrix, Side
from mtmd.features.multivalued import MultiValued

AnyFeature = Annotated[Continuous | Categorical | Embedding | MultiValued, Field(discriminator="kind")]

__all__ = [
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


def feature(**settings: Any) -> AnyFeature:
    """A feature of the kind that its settings name; raises pydantic's ValidationError."""
    made: AnyFeature = TypeAdapter(AnyFeature).validate_python(settings)
    return made
