"""`[data]` of a preset: the limits of the expectation suites."""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

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
    trailing_days: ClassVar[int] = 28  # that a new day is compared with: four weeks know the weekdays
    min_trailing_rows: int = Field(
        0, ge=0, description="candidate rows an earlier day must have to be compared with"
    )
    min_trailing_days: ClassVar[int] = 5  # that a comparison needs; with fewer, `few_days_factor` decides
    few_days_factor: ClassVar[float] = 5.0  # only a wrong unit or column, or a lost join, is beyond it
    false_alarm: ClassVar[float] = 0.01  # chance that an ordinary day has any value outside its interval
    stop_share: ClassVar[float] = 0.02  # share of the day's candidates from which a domain can stop the run
    stop_mix_factor: ClassVar[float] = 1.5  # a domain's share must differ by this factor to stop the run
    stop_score_factor: ClassVar[float] = 1.2  # of a mean score; less than the gates on calibration allow
    stop_null_change: ClassVar[float] = 0.2  # a null rate must differ by this much to stop the run
    stop_category_change: ClassVar[float] = 0.2  # share of rows with another category, beyond the usual
    stop_volume_factor: ClassVar[float] = 3.0  # of the day's rows of a table
    stop_label_factor: ClassVar[float] = 3.0  # of an action's rate
    accepted: dict[date, Annotated[str, Field(min_length=1)]] = Field(
        {},
        description="days whose change is known and right, such as a new teacher, each with its reason: "
        "their values outside intervals are only shown, and so are the next day's if they did not change again",
    )
    ads_may_repeat: bool = Field(
        False, description="whether a day's ads may equal an earlier day's; for logs whose ads never change"
    )
