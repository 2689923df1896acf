"""`[gates]` of a preset: the thresholds of the promotion gates."""

from typing import ClassVar

from pydantic import Field

from mtmd.config.base import Frozen


class GatesConfig(Frozen):
    """What a candidate must hold to be promoted; the preset says why beside each value."""

    min_requests: float = Field(
        100, ge=2, description="effective held-out requests below which a slice is not judged"
    )
    min_actions: int = Field(
        0,
        ge=0,
        description="users' actions of a task in the held-out slice below which it is not judged; for a teacher that "
        "was fitted on such actions, and is mostly noise where they are few",
    )
    significance: ClassVar[float] = 0.05  # chance of one false alarm or more among a gate's slices (Holm)
    baseline_tolerance: float = Field(
        0.0, ge=0, description="worse is a LogMAE of more than this share above the per-slice baseline's"
    )
    champion_tolerance: float = Field(
        0.01,
        ge=0,
        description="worse is a LogMAE of more than this share above the champion's; room for another training seed "
        "(benchmarks.retraining)",
    )
    calibration_low: float = Field(0.8, gt=0, lt=1, description="least mean prediction / mean teacher score")
    calibration_high: float = Field(1.25, gt=1, description="largest mean prediction / mean teacher score")
    parity_score: ClassVar[float] = 1e-5  # largest |Δ| of a final score, torch against onnxruntime
    parity_embedding: ClassVar[float] = 1e-3  # largest |Δ| of an embedding component, likewise
    top_k: ClassVar[int] = 20  # ranks that must agree, up to ties within parity_score

    def tolerance(self, rival: str) -> float:
        """The loss against a predictor that is no loss yet; 0 for a rival that no gate judges."""
        tolerances = {
            "champion": self.champion_tolerance,
            "per_slice": self.baseline_tolerance,
        }
        return tolerances.get(rival, 0.0)
