"""`[data]` of a preset: the limits of the expectation suites."""

from pydantic import Field

from mtmd.config.base import Frozen


class DataConfig(Frozen):
    """Limits that the expectation suites hold a day of logs to."""

    min_domain_rows: int = Field(100, ge=0, description="candidate rows each domain must have in a day")
    trailing_days: int = Field(7, ge=1, description="earlier days that a new day is compared with")
    min_trailing_rows: int = Field(
        0, ge=0, description="candidate rows an earlier day must have to be compared with"
    )
    mix_band: float = Field(
        0.5, gt=0, description="a domain's share may differ by this fraction of its trailing mean"
    )
    score_band: float = Field(
        0.5, gt=0, description="a mean teacher score may differ by this fraction likewise"
    )
    max_null_rate_change: float = Field(
        0.2, gt=0, le=1, description="absolute change of a null rate in a domain"
    )
    ads_may_repeat: bool = Field(
        False, description="whether a day's ads may equal an earlier day's; for logs whose ads never change"
    )
