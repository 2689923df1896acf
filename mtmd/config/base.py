"""The base of every configuration model: frozen, and closed to unknown keys."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
