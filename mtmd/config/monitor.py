"""`[monitor]` of a preset: when a new day is worth a person's attention."""

from typing import Any

from pydantic import Field, model_validator

from mtmd.config.base import Frozen

_GONE = ("calibration_low", "calibration_high")


class MonitorConfig(Frozen):
    """When a day that the champion did not see is worth a person's attention. One day's noise must not be.

    A figure that moved by its least change or more is suspected where chance alone rarely moves it so far, and is a
    breach where it was suspected the day before too, or where chance hardly ever does (docs/operations.md).
    """

    min_requests: int = Field(
        100,
        ge=1,
        description="requests below which a slice is shown and not judged: standard errors of fewer are themselves "
        "a guess",
    )
    min_actions: int = Field(100, ge=1, description="actions below which AUC is not judged")
    logmae_rise: float = Field(
        0.10,
        gt=0,
        description="least rise of LogMAE since promotion, as a share of it, that can be a breach; days differ by 5 %",
    )
    calibration_shift: float = Field(
        0.15,
        gt=0,
        description="least change of mean prediction / mean teacher since promotion, as a share of it, that can be a "
        "breach; days differ by 5 %",
    )
    auc_drop: float = Field(
        0.05, gt=0, lt=0.5, description="least fall of AUC on actions below promotion's that can be a breach"
    )
    score_shift: float = Field(
        0.5,
        gt=0,
        description="least change of the mean prediction since promotion, as a share of it, that can be a breach; "
        "weekly cycles are 0.3",
    )
    suspected_chance: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="chance, over all figures of an ordinary day together, that one is suspected by noise alone",
    )
    certain_chance: float = Field(
        0.002,
        gt=0,
        lt=1,
        description="the same chance, for a figure that is a breach at once; at most suspected_chance",
    )
    psi: float = Field(
        0.25, gt=0, description="feature drift by the usual convention: below 0.1 none, above 0.25 a shift"
    )
    psi_margin: float = Field(
        2.0,
        ge=1,
        description="and this many times the largest PSI of the champion's own training days, so that what "
        "always moves (weekday, new ids, few rows) stays quiet",
    )
    psi_certain: float = Field(
        2.0,
        ge=1,
        description="times the limit that psi and psi_margin make, above which one day is a breach; between the two it "
        "is suspected, and a breach where the next day has it too",
    )
    min_rows: int = Field(50, ge=1, description="requests or ads of a domain below which drift is not judged")
    max_champion_age: int = Field(
        3,
        ge=1,
        description="days between the monitored day and the champion's; more means that dailies do not promote",
    )
    trend_days: int = Field(
        30,
        ge=2,
        le=365,
        description="earlier days in the trend, and those that say how much figures differ from day to day",
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_gone(cls, values: Any) -> Any:
        if isinstance(values, dict) and (found := [name for name in _GONE if name in values]):
            raise ValueError(
                f"monitor.{found[0]} ({values[found[0]]}) is gone: calibration is compared with promotion's. Remove "
                f"{' and '.join(found)}; monitor.calibration_shift is the least change that can be a breach"
            )
        return values

    @model_validator(mode="after")
    def _check(self) -> "MonitorConfig":
        if self.certain_chance > self.suspected_chance:
            raise ValueError(
                f"monitor.certain_chance ({self.certain_chance}) must be at most suspected_chance "
                f"({self.suspected_chance}): a figure that is a breach at once is suspected, too"
            )
        return self
