"""`[extras.ranks]` of a preset: how many processes share the training of a model."""

from typing import Any

from pydantic import Field

from mtmd.config.base import ExtraSettings


class Settings(ExtraSettings):
    """Each rank reads a part of every batch, and all of them take the steps that one would take."""

    count: int = Field(1, ge=1, le=64, description="processes that share the training of a model")

    def check(self, preset: Any) -> None:
        """Refuse what looks at a batch as a whole."""
        refused = {
            f'model.statistics ("{preset.model.statistics}")': preset.model.statistics == "batch",
            f"training.batch_requests ({preset.training.batch_requests})": (
                preset.training.batch_requests < self.count
            ),
        }
        found = [what for what, wrong in refused.items() if wrong]
        if self.count > 1 and found:
            raise ValueError(
                f"extras.ranks.count ({self.count}) must be 1 with {', '.join(found)}: a rank has a part of each "
                "batch, and this needs the whole of it; set extras.ranks.count = 1, or change the other setting"
            )

    def recipe(self) -> dict[str, Any]:
        """Sums over ranks are added in another order."""
        return {} if self.count == 1 else {"count": self.count}
