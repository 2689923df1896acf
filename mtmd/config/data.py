"""`[data]` of a preset: the limits of the expectation suites."""

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from mtmd.config.base import Frozen


class DataConfig(Frozen):
    """Limits that the expectation suites hold a day of logs to.

    A day's shares, mean scores, null rates and category values are compared with intervals that earlier days give
    (`mtmd/validate/deviations.py`). A value outside its interval is a warning. It stops the run only where it
    is beyond the `stop_` limits, too.
    """

    min_domain_rows: int = Field(
        100, ge=0, description="candidate rows a domain should have in a day, and must have in a window"
    )
    trailing_days: int = Field(
        28, ge=1, description="earlier days that a new day is compared with; four weeks know the weekdays"
    )
    min_trailing_rows: int = Field(
        0, ge=0, description="candidate rows an earlier day must have to be compared with"
    )
    min_trailing_days: int = Field(
        5, ge=3, description="earlier days that an interval needs; with fewer, `few_days_factor` decides"
    )
    few_days_factor: float = Field(
        5.0,
        gt=1,
        description="with too few earlier days: factor by which a share or a mean score must differ, or the values of "
        "a feature must have become fewer; so wide that only a wrong unit, a wrong column or a lost join is beyond it, "
        "because nobody knows yet how much days differ",
    )
    false_alarm: float = Field(
        0.01,
        gt=0,
        le=0.2,
        description="chance that an ordinary day has any value outside its interval, over all that is compared",
    )
    stop_share: float = Field(
        0.02, ge=0, le=1, description="share of the day's candidates from which a domain can stop the run"
    )
    stop_mix_factor: float = Field(
        1.5, gt=1, description="a domain's share must differ by this factor to stop the run"
    )
    stop_score_factor: float = Field(
        1.2,
        gt=1,
        description="a mean teacher score must differ by this factor to stop the run; less than the gates on "
        "calibration allow, so that what passes can be promoted",
    )
    stop_null_change: float = Field(
        0.2, gt=0, le=1, description="a null rate must differ by this much to stop the run"
    )
    stop_category_change: float = Field(
        0.2,
        gt=0,
        le=1,
        description="share of rows whose category must have changed, beyond what changes between two earlier days, to "
        "stop the run",
    )
    stop_volume_factor: float = Field(
        3.0, gt=1, description="the day's rows of a table must differ by this factor to stop the run"
    )
    stop_label_factor: float = Field(
        3.0, gt=1, description="the day's rate of an action must differ by this factor to stop the run"
    )
    accepted: dict[date, Annotated[str, Field(min_length=1)]] = Field(
        {},
        description="days whose change is known and right, such as a new teacher, each with its reason: "
        "their values outside intervals are only shown, and so are the next day's if they did not change again",
    )
    ads_may_repeat: bool = Field(
        False, description="whether a day's ads may equal an earlier day's; for logs whose ads never change"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.trailing_days < self.min_trailing_days:
            raise ValueError(
                f"data.trailing_days ({self.trailing_days}) must be at least min_trailing_days "
                f"({self.min_trailing_days}): with fewer days no value is ever compared with an interval"
            )
        return self
