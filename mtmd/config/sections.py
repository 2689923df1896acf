"""The sections of a preset that hold limits: data, evaluation, gates, A/B test, monitor and retention."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from mtmd.config.base import Frozen


class DataConfig(Frozen):
    """Limits that the expectation suites hold a day of logs to."""

    min_domain_rows: int = Field(100, ge=0, description="candidate rows each domain must have in a day")
    trailing_days: int = Field(7, ge=1, description="earlier days that a new day is compared with")
    min_trailing_rows: int = Field(
        0, ge=0, description="candidate rows an earlier day must have to be compared with"
    )
    mix_band: float = Field(
        0.5, gt=0, description="a domain's share may differ by this fraction of its trailing mean"
    )
    score_band: float = Field(
        0.5, gt=0, description="a mean teacher score may differ by this fraction likewise"
    )
    max_null_rate_change: float = Field(
        0.2, gt=0, le=1, description="absolute change of a null rate in a domain"
    )
    ads_may_repeat: bool = Field(
        False, description="whether a day's ads may equal an earlier day's; for logs whose ads never change"
    )


class EvaluationConfig(Frozen):
    """How held-out metrics are cut."""

    buckets: int = Field(10, ge=2, description="rank buckets by teacher score inside a slice; 0 is the top")
    interval_buckets: int = Field(5, ge=0, description="top buckets that get intervals, as in paper Table 6")
    resamples: int = Field(1000, ge=100, description="of the bootstrap over requests")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="of the intervals")
    bootstrap_seed: int = Field(0, ge=0)
    seed_noise: float = Field(
        0.05, ge=0, lt=1, description="what another training seed changes: less says nothing, from one seed"
    )
    replay_top: int = Field(
        3, ge=1, description="ads of a request that the heavyweight ranker takes in a replay"
    )
    replay_kept: tuple[int, ...] = Field(
        (3, 4, 6, 8),
        min_length=1,
        description="ads of a request that a predictor keeps for the heavyweight ranker in a replay, ascending; "
        "none below replay_top, which fewer could not fill",
    )
    value_weights: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        {},
        description="weight of each task in the value bid × Σ weight × P(task); empty: the first root task alone",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        kept = self.replay_kept
        if kept[0] < self.replay_top or any(more <= less for less, more in pairwise(kept)):
            raise ValueError(
                f"replay_kept {list(kept)} must ascend from replay_top ({self.replay_top}) or more; fewer ads than "
                "that could not fill the top"
            )
        return self


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
    significance: float = Field(
        0.05, gt=0, lt=1, description="chance of one false alarm or more among a gate's slices (Holm)"
    )
    baseline_tolerance: float = Field(
        0.0, ge=0, description="what is more than this share above the per-slice baseline's LogMAE is worse"
    )
    champion_tolerance: float = Field(
        0.01,
        ge=0,
        description="likewise for the champion's: room for another training seed (benchmarks.retraining)",
    )
    calibration_low: float = Field(0.8, gt=0, lt=1, description="least mean prediction / mean teacher score")
    calibration_high: float = Field(1.25, gt=1, description="largest mean prediction / mean teacher score")
    parity_score: float = Field(
        1e-5, gt=0, description="largest |Δ| of a final score, torch against onnxruntime"
    )
    parity_embedding: float = Field(1e-3, gt=0, description="largest |Δ| of an embedding component, likewise")
    top_k: int = Field(20, ge=1, description="ranks that must agree, up to ties within parity_score")


class ABTestConfig(Frozen):
    """The simulated A/B test of the candidate, for logs of the simulated platform alone; see docs/ab-test.md."""

    gate: bool = Field(
        False,
        description="whether a daily run lets the candidate serve beside the per-slice baselines, and keeps the "
        "champion where a metric of all impressions is shown worse; only a simulated world can say so",
    )
    samples: int = Field(
        20,
        ge=5,
        le=200,
        description="times that the held-out day is run: an interval is over them, and so is time",
    )
    requests: int = Field(
        8_000,
        ge=50,
        le=100_000,
        description="requests of each: more make each sample, and the intervals, surer",
    )


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


class RetentionConfig(Frozen):
    """How old outputs become, in days before the newest run, until the clean-up may remove them."""

    shards: int = Field(
        90,
        ge=61,
        description="days of logs; above the longest window and its held-out day, so that no run extracts anew",
    )
    runs: int = Field(
        400, ge=1, description="summaries and reports of runs, and validation results: small, and asked for"
    )
    models: int = Field(
        90, ge=1, description="models that no rollback can reach; the others are kept, whatever their age"
    )
    ads: int = Field(
        14,
        ge=1,
        description="published ads, except those of the champion and of the model that a rollback would go to",
    )
    caches: int = Field(
        14,
        ge=1,
        description="trained weights and evaluations, by when they were written: making them again costs time",
    )
