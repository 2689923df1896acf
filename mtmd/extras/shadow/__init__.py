"""A candidate that answers in the shadow: some of the live calls, for comparison; no client sees its answers."""

from pydantic import Field

from mtmd.config.base import ExtraSettings

NEWEST = "newest"


class Settings(ExtraSettings):
    """Off without a model. A client asks for a comparison with `/rank?model=candidate`."""

    model: str | None = Field(None, description="a model id, or `newest`: see `newest_candidate`")
    share: float = Field(0.0, ge=0, le=1, description="of the calls of /rank that do not ask for it")
