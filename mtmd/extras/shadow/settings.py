"""`[extras.shadow]` of a preset: which model answers in the shadow, which calls, and what is kept of it."""

from pydantic import Field

from mtmd.config.base import ExtraSettings

NEWEST = "newest"


class Settings(ExtraSettings):
    """Off without a model. A client asks for a comparison with `/rank?model=candidate`."""

    model: str | None = Field(None, description="a model id, or `newest`: see `newest_candidate`")
    share: float = Field(0.0, ge=0, le=1, description="of the calls of /rank that do not ask for it")
    ids: bool = Field(False, description="whether the log has ids of ads")
    queue: int = Field(32, ge=1, description="calls that wait; beyond, they are dropped")
    file_bytes: int = Field(16 << 20, ge=1, description="of one file of the log")
    older_files: int = Field(3, ge=1, description="full files that are kept beside it")
    patience_s: float = Field(
        30.0, gt=0, description="for one call, before the candidate's process is replaced"
    )
