"""`[retention]` of a preset: how long outputs are kept."""

from typing import ClassVar

from pydantic import Field

from mtmd.config.base import Frozen


class RetentionConfig(Frozen):
    """How old outputs become, in days before the newest run, until the clean-up may remove them."""

    shards: int = Field(
        90,
        ge=61,
        description="days of logs; above the longest window and its held-out day, so that no run extracts anew",
    )
    runs: int = Field(
        400, ge=1, description="summaries and reports of runs, and validation results: small, and asked for"
    )
    models: int = Field(
        90, ge=1, description="models that no rollback can reach; the others are kept, whatever their age"
    )
    ads: ClassVar[int] = 14  # published ads, but for those of the two newest champions
    most_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="largest share of the outputs that a clean-up removes without being told that so much may go",
    )
    caches: int = Field(
        14,
        ge=1,
        description="trained weights and evaluations; age counts from when they were written, or were last compared as "
        "an older rival",
    )
