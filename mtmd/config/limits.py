"""Sections of a preset that are limits and sizes, from `[data]` to `[retention]`.

What no preset sets is a constant of its section, with the reason beside it. `[simulation]` is of `mtmd simulate`.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from mtmd.config.base import Section
from mtmd.config.model import RivalConfig


class DataConfig(Section):
    """Limits that the expectation suites hold a day of logs to.

    A day's numbers are compared with those of earlier days: `mtmd/validate/deviations.py` has the limit of each.
    """

    min_domain_rows: int = Field(100, ge=0, description="candidate rows a domain must have in a window")
    trailing_days: ClassVar[int] = 28  # that a new day is compared with: four weeks know the weekdays
    min_trailing_rows: int = Field(
        0, ge=0, description="candidate rows an earlier day must have to be compared with"
    )
    min_trailing_days: ClassVar[int] = 5  # that a comparison needs; with fewer, `few_days_factor` decides
    few_days_factor: ClassVar[float] = 5.0  # only a wrong unit or column, or a lost join, is beyond it
    false_alarm: ClassVar[float] = 0.01  # chance that an ordinary day has any number outside its interval
    stop_share: ClassVar[float] = 0.02  # share of the day's candidates from which a domain can stop the run
    accepted: dict[date, Annotated[str, Field(min_length=1)]] = Field(
        {},
        description="days whose change is known and right, such as a new teacher, each with its reason: they are "
        "compared with no earlier day, and later days with none before them",
    )


class EvaluationConfig(Section):
    """How held-out metrics are cut."""

    buckets: int = Field(
        10, ge=2, le=1000, description="rank buckets by teacher score inside a slice; 0 is the top"
    )
    interval_buckets: int = Field(5, ge=0, description="top buckets that get intervals, as in paper Table 6")
    winners: int = Field(
        4,
        ge=1,
        description="ads of a request that its auction shows: the heavyweight ranker's top k by a task's score",
    )
    kept: int = Field(
        8,
        ge=1,
        description="candidates of a request that the cut of a recall keeps: fewer than the logs have of a request, as "
        "these are only what the live lightweight ranker kept",
    )
    resamples: int = Field(1000, ge=100, le=100_000, description="of the bootstrap over requests")
    confidence: ClassVar[float] = 0.95  # of the intervals
    bootstrap_seed: ClassVar[int] = 0  # so that the same day has the same intervals
    # Of LogMAE, that another training seed changes; with one seed, less is noise.
    seed_noise: ClassVar[float] = 0.05
    ne_noise: ClassVar[float] = 0.005  # likewise of NE, which is near 1 for the best of models

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kept < self.winners:
            raise ValueError(
                f"evaluation.kept ({self.kept}) must be at least winners ({self.winners}): a cut cannot keep more ads "
                "than its size; raise kept, or lower winners"
            )
        return self


class GatesConfig(Section):
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
    recall_tolerance: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="worse is a recall of more than this share below the champion's; left out, no gate looks at it",
    )
    calibration_low: float = Field(0.8, gt=0, lt=1, description="least mean prediction / mean teacher score")
    calibration_high: float = Field(1.25, gt=1, description="largest mean prediction / mean teacher score")
    parity_score: ClassVar[float] = 1e-5  # largest |Δ| of a final score, torch against onnxruntime
    parity_embedding: ClassVar[float] = 1e-3  # largest |Δ| of an embedding component, likewise
    top_k: ClassVar[int] = 20  # ranks that must agree, up to ties within parity_score
    int8_ads: ClassVar[int] = 100  # best ads of a request that the search by int8 must find
    int8_loss: ClassVar[float] = 1e-3  # largest share of them that it may miss


class PublicationConfig(Section):
    """How the ads of the champion are stored for the service."""

    int8: bool = Field(
        False,
        description="also as int8 with a scale for each ad and task: the search reads these, a quarter of the bytes, "
        "and scores the best few again in float32",
    )


class PromotionConfig(Section):
    """Which of a day's models may go live."""

    contestants: tuple[str, ...] = Field(
        (),
        description="rivals that may go live in place of the preset's own model: the day's candidate is the one with "
        "the lowest mean error on earlier days; left out, it is always the preset's own model",
    )
    share: float = Field(
        1.0,
        ge=0.0001,
        le=1,
        description="of the users, those that a promoted model answers at first, while the champion before it answers "
        "the others; `mtmd rollout` changes the share",
    )

    def check(self, own: str, rivals: Mapping[str, RivalConfig]) -> None:
        """Raise ValueError, in words, for a name that can't be a contestant's beside the preset's `own` model."""
        for place, name in enumerate(self.contestants):
            rival = rivals.get(name)
            if name in self.contestants[:place]:
                why = "twice; take one out"
            elif name == own:
                why = "which is the preset's own model and always takes part; take it out"
            elif rival is None:
                why = f"which is no rival of the preset; use some of {list(rivals)}, or add [rivals.{name}]"
            elif not rival.model.servable:
                why = f"whose architecture ({rival.model.architecture!r}) has no towers to serve; take it out"
            elif rival.every_days != 1:
                why = f"not trained each day; set rivals.{name}.every_days ({rival.every_days}) to 1, or take it out"
            else:
                continue
            raise ValueError(f"promotion.contestants has {name!r}, {why}")


class MonitorConfig(Section):
    """When a day that the champion did not see is worth a person's attention. One day's noise must not be.

    A figure that moved by its least change or more is a breach where chance alone hardly ever moves it so far
    (docs/validation.md).
    """

    min_requests: int = Field(
        100,
        ge=1,
        description="requests below which a slice is shown and not judged: standard errors of fewer are themselves "
        "a guess",
    )
    min_actions: ClassVar[int] = 100  # actions below which AUC is not judged
    logmae_rise: float = Field(
        0.10,
        gt=0,
        description="least rise of LogMAE since promotion, as a share of it, that can be a breach; days differ by 5 %",
    )
    ne_rise: ClassVar[float] = 0.05  # likewise of NE, where tasks learn from actions, and of what was served
    calibration_shift: ClassVar[float] = 0.15  # least change that can be a breach; days differ by 5 %
    auc_drop: ClassVar[float] = 0.05  # least fall of AUC on actions below promotion's that can be a breach
    score_shift: ClassVar[float] = 0.5  # least change of the mean prediction; weekly cycles are 0.3
    unscored_rise: ClassVar[float] = 0.02  # of shown rows without a score: least rise of their share
    chance: ClassVar[float] = 0.01  # chance that noise alone makes any figure of a day a breach
    psi: ClassVar[float] = 0.25  # feature drift by the usual convention: above 0.25 it is a shift
    psi_margin: ClassVar[float] = 3.0  # times the largest PSI of the champion's own days
    min_rows: ClassVar[int] = 50  # requests or ads of a domain below which drift is not judged
    max_champion_age: int = Field(
        3,
        ge=1,
        description="days between the monitored day and the champion's; more means that dailies do not promote",
    )
    trend_days: ClassVar[int] = 30  # earlier days in the trend


class RetentionConfig(Section):
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
    ads: ClassVar[int] = 14  # published ads, but for those of the two newest champions
    caches: ClassVar[int] = 14  # trained weights and evaluations, since they were written or last compared


class SimulationConfig(Section):
    """Sizes of the simulated platform; what is left out is the demo's. A run on logs reads none of it."""

    requests_per_day: int | None = Field(None, ge=10, description="1,000 when left out")
    users: int | None = Field(None, ge=10, description="3,000 when left out")
    ads: int | None = Field(None, ge=20, description="ads alive on a day; 2,400 when left out")
