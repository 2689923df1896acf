"""A training shared by several processes, started by torchrun: `[extras.ranks]`."""

from typing import Any

from pydantic import Field

from mtmd.config.base import ExtraSettings


class Settings(ExtraSettings):
    """Each rank reads a part of every batch, and all of them take the steps that one would take."""

    count: int = Field(1, ge=1, le=64, description="processes that share the training of a model")

    def check(self, preset: Any) -> None:
        """Refuse batches that are smaller than the number of ranks."""
        requests = preset.training.batch_requests
        if requests < self.count:
            raise ValueError(
                f"extras.ranks.count ({self.count}) must be at most training.batch_requests ({requests}): each rank "
                "reads a part of every batch; lower the count, or raise batch_requests"
            )

    def recipe(self) -> dict[str, Any]:
        """Sums over ranks are added in another order."""
        return {} if self.count == 1 else {"count": self.count}
