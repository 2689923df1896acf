"""Online experiments on the simulated platform: one lightweight ranker against another, in the delivery funnel."""

from mtmd.experiment.alignment import Alignment, alignment
from mtmd.experiment.arms import Arm, arm, split_arms
from mtmd.experiment.changes import METRICS, Change, changes
from mtmd.experiment.outcome import ABTest, Comparison
from mtmd.experiment.rankers import BundleRanker, ModelRanker
from mtmd.experiment.tables import alignment_table, change_table, levels_table

__all__ = [
    "METRICS",
    "ABTest",
    "Alignment",
    "Arm",
    "BundleRanker",
    "Change",
    "Comparison",
    "ModelRanker",
    "alignment",
    "alignment_table",
    "arm",
    "change_table",
    "changes",
    "levels_table",
    "split_arms",
]
