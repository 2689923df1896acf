"""What an import of KuaiRand-Pure reports of itself."""

from datetime import date

from pydantic import Field

from mtmd.config import Frozen


class TaskQuality(Frozen):
    """The teacher on one task: newest = the last two days, scored by teachers of earlier days only."""

    task: str
    auc_newest: float | None = Field(description="against what users did; None without both outcomes")
    auc_cross_fitted: float | None = Field(description="likewise, on the days before them")
    mean_score_newest: float
    mean_action_newest: float
    mean_score_cross_fitted: float
    mean_action_cross_fitted: float


class TeacherReport(Frozen):
    """How the heavyweight teacher was fitted, and how it ranks actions it never saw."""

    members: int
    epochs: int
    blocks: int = Field(description="day blocks of the cross-fit")
    newest_days: tuple[date, ...]
    tasks: tuple[TaskQuality, ...]
    auc_profile_enter_newest: float | None = Field(
        description="octr against every profile enter, also those without a click"
    )


class ImportReport(Frozen):
    """One import of KuaiRand-Pure: what was read, dropped, missing and written."""

    logs: str
    identity: str = Field(description="digest of source files, code format, seed, preset columns and teacher")
    reused: bool = Field(description="a complete import of the same identity was there; nothing was written")
    first: date
    last: date
    rows_read: int
    duplicates_dropped: int = Field(description="rows equal to an earlier one in every column")
    other_tabs_dropped: int = Field(description="rows of the ten tiny or inconsistent tabs")
    repeats_dropped: int = Field(description="same user, surface, hour and video: the first exposure stays")
    dates_disagreeing: int = Field(description="rows whose `date` is not the China day of `time_ms`")
    profile_enters_without_click: int = Field(description="not outbound clicks: octr needs a click")
    requests: int
    candidates: int
    candidates_per_day: dict[date, int]
    candidates_per_domain: dict[str, int]
    missing: dict[str, int] = Field(description="empty values per column of the user and video tables")
    teacher: TeacherReport
    seconds: float
