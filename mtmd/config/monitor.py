"""`[monitor]` of a preset: when a new day is worth a person's attention."""

from typing import ClassVar

from pydantic import Field

from mtmd.config.base import Frozen


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
    min_actions: ClassVar[int] = 100  # actions below which AUC is not judged
    logmae_rise: float = Field(
        0.10,
        gt=0,
        description="least rise of LogMAE since promotion, as a share of it, that can be a breach; days differ by 5 %",
    )
    calibration_shift: ClassVar[float] = (
        0.15  # least change since promotion that can be a breach; days differ by 5 %
    )
    auc_drop: ClassVar[float] = 0.05  # least fall of AUC on actions below promotion's that can be a breach
    score_shift: ClassVar[float] = (
        0.5  # least change of the mean prediction that can be a breach; weekly cycles are 0.3
    )
    suspected_chance: ClassVar[float] = (
        0.05  # chance that any figure of an ordinary day is suspected by noise alone
    )
    certain_chance: ClassVar[float] = 0.002  # the same chance, for a figure that is a breach at once
    psi: ClassVar[float] = 0.25  # feature drift by the usual convention: above 0.25 it is a shift
    psi_margin: ClassVar[float] = 2.0  # times the largest PSI of the champion's own days
    psi_certain: ClassVar[float] = 2.0  # times the limit on PSI, above which one day is a breach
    min_rows: ClassVar[int] = 50  # requests or ads of a domain below which drift is not judged
    max_champion_age: int = Field(
        3,
        ge=1,
        description="days between the monitored day and the champion's; more means that dailies do not promote",
    )
    trend_days: ClassVar[int] = 30  # earlier days in the trend, and those that say how much figures differ
