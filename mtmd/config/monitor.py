"""`[monitor]` of a preset: when a new day is worth a person's attention."""

from pydantic import Field

from mtmd.config.base import Frozen


class MonitorConfig(Frozen):
    """When a day that the champion did not see is worth a person's attention. One day's noise must not be."""

    min_requests: int = Field(
        100,
        ge=1,
        description="requests below which a slice is shown and not judged: its LogMAE moves by chance",
    )
    logmae_rise: float = Field(
        0.25, gt=0, description="LogMAE above promotion's by more than this share; days differ by a tenth"
    )
    calibration_low: float = Field(
        0.75,
        gt=0,
        lt=1,
        description="least mean prediction / mean teacher; wider than the gate's, a day alone is judged",
    )
    calibration_high: float = Field(1.33, gt=1, description="largest mean prediction / mean teacher score")
    auc_drop: float = Field(
        0.05, gt=0, lt=0.5, description="AUC on actions below promotion's by more than this"
    )
    min_actions: int = Field(
        100, ge=1, description="actions below which AUC is not judged: its standard error is about 0.03 there"
    )
    score_shift: float = Field(
        0.5,
        gt=0,
        description="mean prediction away from promotion's by more than this share; weekly cycles are 0.3",
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
    min_rows: int = Field(50, ge=1, description="requests or ads of a domain below which drift is not judged")
    max_champion_age: int = Field(
        3,
        ge=1,
        description="days between the monitored day and the champion's; more means that dailies do not promote",
    )
    trend_days: int = Field(30, ge=2, le=365, description="earlier days in the trend")
