"""All that a day's run has made by the time it decides: one record, handed from the decision to the report."""

from pydantic import Field

from mtmd.abtest.outcome import ABTest
from mtmd.config import Frozen
from mtmd.evaluate.stage import Evaluated
from mtmd.export.stage import Exported, Proofs
from mtmd.extract.shards import Days
from mtmd.run import RunPlan
from mtmd.train.stage import Trained, candidate_of
from mtmd.validate.stage import DataQuality


class DayRun(Frozen):
    """References to the outputs of every stage, and what the checks said."""

    plan: RunPlan
    quality: DataQuality
    days: Days
    trained: tuple[Trained, ...] = Field(description="MTMD and its rivals")
    evaluated: Evaluated
    exported: Exported
    proofs: Proofs
    tested: ABTest | None = Field(None, description="the simulated A/B of a preset that has it for a gate")

    @property
    def candidate(self) -> Trained:
        return candidate_of(self.trained)
