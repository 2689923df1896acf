"""`[evaluation]` of a preset: buckets, intervals and the replay of held-out metrics."""

from itertools import pairwise
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from mtmd.config.base import Frozen


class EvaluationConfig(Frozen):
    """How held-out metrics are cut."""

    buckets: int = Field(
        10, ge=2, le=1000, description="rank buckets by teacher score inside a slice; 0 is the top"
    )
    interval_buckets: int = Field(5, ge=0, description="top buckets that get intervals, as in paper Table 6")
    resamples: int = Field(1000, ge=100, le=100_000, description="of the bootstrap over requests")
    confidence: ClassVar[float] = 0.95  # of the intervals
    bootstrap_seed: ClassVar[int] = 0  # so that the same day has the same intervals
    seed_noise: ClassVar[float] = 0.05  # that another training seed changes; with one seed, less is noise
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

    cold_features: tuple[str, ...] | None = Field(
        None,
        description="categorical features whose values that the window never had are evaluated apart; when omitted, "
        "those of user_id and ad_id that are declared",
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
