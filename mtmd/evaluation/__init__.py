"""Held-out metrics by slice and rank bucket, the constant predictor, the report, its tables (paper §3.2)."""

from mtmd.evaluation.ablation_table import Contribution, contributions, factor_table
from mtmd.evaluation.constant import predict_constant, window_medians
from mtmd.evaluation.evaluate import METRICS_FORMAT, evaluate_predictors
from mtmd.evaluation.held_out import HeldOutDay
from mtmd.evaluation.replay import REPLAY_FORMAT, replay_day
from mtmd.evaluation.replay_report import EVERYWHERE, RANDOM, ReplayCell, ReplayReport, ReplayShare
from mtmd.evaluation.replay_tables import replay_slices_table, replay_table, replay_words
from mtmd.evaluation.report import (
    ALL,
    EVERYTHING,
    Comparison,
    Estimate,
    EvaluationReport,
    Metric,
    SliceMetrics,
)
from mtmd.evaluation.scoring import score_day
from mtmd.evaluation.tables import (
    NOT_APPLICABLE,
    TABLE_1,
    Column,
    Table,
    action_table,
    bucket_table,
    compared_buckets,
    domains_of_table_1,
    estimate,
    improvement_table,
    logmae_table,
    spoken,
)

__all__ = [
    "ALL",
    "EVERYTHING",
    "EVERYWHERE",
    "METRICS_FORMAT",
    "NOT_APPLICABLE",
    "RANDOM",
    "REPLAY_FORMAT",
    "TABLE_1",
    "Column",
    "Comparison",
    "Contribution",
    "Estimate",
    "EvaluationReport",
    "HeldOutDay",
    "Metric",
    "ReplayCell",
    "ReplayReport",
    "ReplayShare",
    "SliceMetrics",
    "Table",
    "action_table",
    "bucket_table",
    "compared_buckets",
    "contributions",
    "domains_of_table_1",
    "estimate",
    "evaluate_predictors",
    "factor_table",
    "improvement_table",
    "logmae_table",
    "predict_constant",
    "replay_day",
    "replay_slices_table",
    "replay_table",
    "replay_words",
    "score_day",
    "spoken",
    "window_medians",
]
