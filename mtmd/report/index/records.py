"""What the index keeps of each stored record: a few numbers and words, so that the record itself is read once."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from mtmd.config import Frozen
from mtmd.promote.slice_gates import Result

RunVerdict = Literal["promoted", "kept", "stopped", "failed", "validated"]


class TaskFigures(Frozen):
    """A candidate on one task over its slices, or on all tasks, on its own held-out day; None where undefined."""

    task: str
    rows: int
    logmae: float | None
    calibration: float | None = Field(description="mean prediction / mean teacher score")
    auc: float | None = Field(description="on actions")
    over: dict[str, float] = Field(
        {}, description="improvement of LogMAE over the champion and the per-slice baselines, where compared"
    )


class GateLine(Frozen):
    """What one gate said."""

    name: str
    result: Result
    detail: str
    words: str = Field("", description="the result as people read it; empty in older records")


class RunRecord(Frozen):
    """One run of a day, or the validation of a day that no run has decided about."""

    kind: Literal["run"] = "run"
    as_of: date
    at: datetime = Field(description="when its record was written")
    verdict: RunVerdict
    run: str = Field("", description="its directory in runs/; empty for a run that did not decide")
    model_id: str | None = None
    rows: int | None = Field(None, description="candidate rows of the training window")
    training_seconds: float | None = None
    reason: str = Field("", description="failed gates, failed suites or the error; empty for none")
    start: str = Field("", description="what its training went on from; empty where it was fresh")
    live: str | None = Field(None, description="the champion after the run")
    gates: tuple[GateLine, ...] = ()
    tasks: tuple[TaskFigures, ...] = ()

    @property
    def failing(self) -> str:
        """What the first failed gate said; empty where none failed."""
        return next((gate.detail for gate in self.gates if gate.result == "fail"), "")

    @property
    def decided(self) -> bool:
        return self.verdict in {"promoted", "kept"}


class MonitorRecord(Frozen):
    """What the monitor said of a day."""

    kind: Literal["monitor"] = "monitor"
    day: date
    champion: str | None
    judged: int = Field(description="numbers that had enough data to be judged")
    breaches: int
    words: str = Field(description="the first breaches; empty without one")


class BackfillRecord(Frozen):
    """The latest backfill of a range of days."""

    kind: Literal["backfill"] = "backfill"
    first: date
    last: date
    reprocess: str
    at: datetime
    states: dict[str, int] = Field(description="days by what came of them")
    failed: dict[date, str] = Field(description="days that failed or were blocked, and why")


class Change(Frozen):
    """What the candidate does to one metric over all impressions; None where it is undefined."""

    metric: str
    change: float | None
    low: float | None
    high: float | None


class ABTestRecord(Frozen):
    """A simulated A/B test."""

    kind: Literal["ab test"] = "ab test"
    day: date
    at: datetime
    control: str
    samples: int
    requests: int
    changes: tuple[Change, ...]


Record = Annotated[RunRecord | MonitorRecord | BackfillRecord | ABTestRecord, Field(discriminator="kind")]


def day_of(record: RunRecord | MonitorRecord | BackfillRecord | ABTestRecord) -> date:
    """The day that a record is about; of a backfill the last."""
    if isinstance(record, RunRecord):
        return record.as_of
    return record.last if isinstance(record, BackfillRecord) else record.day
