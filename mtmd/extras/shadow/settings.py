"""`[extras.shadow]` of a preset: which model answers in the shadow, and which calls."""

from pydantic import Field

from mtmd.config.base import ExtraSettings

NEWEST = "newest"


class Settings(ExtraSettings):
    """Off without a model. A client asks for a comparison with `/rank?model=candidate`."""

    model: str | None = Field(None, description="a model id, or `newest`: see `newest_candidate`")
    share: float = Field(0.0, ge=0, le=1, description="of the calls of /rank that do not ask for it")
