"""Scores moved to where the heavyweight ranker is expected to stand on the next day: `[extras.forecast]`."""

from typing import Any

from pydantic import Field

from mtmd.config.base import ExtraSettings


class Settings(ExtraSettings):
    """A ranker that learns from each day moves towards what people did on it."""

    step: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of a day's difference between actions and scores, in log-odds, that the heavyweight ranker "
        "is expected to learn by the next day; 0: models learn the scores as they are",
    )

    def check(self, preset: Any) -> None:
        """Refuse a step where no task learns from scores."""
        if self.step and not preset.domains.score_tasks:
            raise ValueError(
                f"extras.forecast.step ({self.step}) moves scores, and no task learns from them; set it to 0"
            )

    def recipe(self) -> dict[str, Any]:
        """Other targets give other weights."""
        return {"step": self.step} if self.step else {}
