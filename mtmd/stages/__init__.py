"""The stages of a run: each turns references into a durable output and a reference to it.

One row's path: logs → validate → extract (shard) → train → evaluate → export → prove → decide
→ publish → report. One date's path:
`as_of` → plan → window days → shards → model id → champion. A stage whose output exists and verifies is done.
"""

from mtmd.experiment import ABTest
from mtmd.stages.ab_test import ab_test
from mtmd.stages.ablation import Ablation, ablate, to_train
from mtmd.stages.backfill import (
    BackfillPlan,
    DayOutcome,
    PlannedDay,
    Reprocess,
    latest_outcome,
    plan_backfill,
)
from mtmd.stages.candidate import Exported, Proofs, export, model_id, prove
from mtmd.stages.cleanup import CleanUp, Removable, clean_up, plan_clean_up
from mtmd.stages.decision import RunSummary, decide, live_model
from mtmd.stages.evaluation import Evaluated, evaluate
from mtmd.stages.extraction import extract
from mtmd.stages.monitor import monitor, monitored
from mtmd.stages.plan import RunPlan, plan_run, scheduled_as_of, training_days
from mtmd.stages.publication import Published, publish
from mtmd.stages.report import report_url, write_report
from mtmd.stages.rollback import Republished, RolledBack, republish, rollback
from mtmd.stages.simulation import Simulated, simulate_days
from mtmd.stages.training import Trained, train
from mtmd.stages.validation import DataQuality, require, validate

__all__ = [
    "ABTest",
    "Ablation",
    "BackfillPlan",
    "CleanUp",
    "DataQuality",
    "DayOutcome",
    "Evaluated",
    "Exported",
    "PlannedDay",
    "Proofs",
    "Published",
    "Removable",
    "Reprocess",
    "Republished",
    "RolledBack",
    "RunPlan",
    "RunSummary",
    "Simulated",
    "Trained",
    "ab_test",
    "ablate",
    "clean_up",
    "decide",
    "evaluate",
    "export",
    "extract",
    "latest_outcome",
    "live_model",
    "model_id",
    "monitor",
    "monitored",
    "plan_backfill",
    "plan_clean_up",
    "plan_run",
    "prove",
    "publish",
    "report_url",
    "republish",
    "require",
    "rollback",
    "scheduled_as_of",
    "simulate_days",
    "to_train",
    "train",
    "training_days",
    "validate",
    "write_report",
]
