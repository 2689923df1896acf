"""All that a page is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from mtmd.config import GatesConfig
from mtmd.data import ShardRef
from mtmd.evaluation import EvaluationReport, ReplayReport
from mtmd.experiment import ABTest
from mtmd.export import ParityReport
from mtmd.registry import ModelManifest
from mtmd.registry.gates import Verdict
from mtmd.report.traces import TowerMeans
from mtmd.training import FitResult
from mtmd.validation import DayValidation, WindowValidation


@dataclass(frozen=True)
class ReportInputs:
    """A run's results.

    left_out      days between the window's first and the held-out one that it does not use, and why
    words         what came of it
    live          model id of the champion after the run
    fits          training of each model, by the predictor's name
    trained       key of each of them
    config        digest of the whole preset
    shards        the window's, oldest first, then the held-out day's
    traces        of the query and of the item tower
    ablations     the candidate against its variants, a report per training seed; empty when none were trained
    untrained     variants that are not among them, and why
    variants      key of each model of the ablations
    tested        the simulated A/B of the candidate, where one was run
    """

    as_of: date
    preset: str
    left_out: Mapping[date, str]
    words: str
    verdict: Verdict
    live: str | None
    evaluation: EvaluationReport
    replay: ReplayReport
    gates: GatesConfig
    fits: Mapping[str, FitResult]
    trained: Mapping[str, str]
    config: str
    validations: tuple[DayValidation | WindowValidation, ...]
    shards: tuple[ShardRef, ...]
    manifest: ModelManifest
    parity: ParityReport
    traces: tuple[TowerMeans, TowerMeans]
    ablations: tuple[EvaluationReport, ...] = ()
    untrained: tuple[str, ...] = ()
    variants: Mapping[str, str] = field(default_factory=dict)
    tested: ABTest | None = None
