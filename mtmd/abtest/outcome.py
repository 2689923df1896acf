"""What rankers did in the funnel."""

from typing import Final

from pydantic import Field

from mtmd.abtest.arms import Alignment
from mtmd.abtest.changes import RelativeChange
from mtmd.config import Frozen
from mtmd.sources.simulated.config import FunnelConfig

AB_TEST_FORMAT = 1  # raise it whenever the same models in the same world would give another outcome
CANDIDATE, UNCONSTRAINED = "mtmd", "unconstrained"
BASELINE: Final = "per_slice"
CHAMPION: Final = "champion"
ORACLE, CHANCE, HEAVYWEIGHT = "oracle", "chance", "heavyweight"


class ArmComparison(Frozen):
    """One ranker against another, on the same samples."""

    control: str
    treatment: str
    changes: tuple[RelativeChange, ...]


class ABTest(Frozen):
    """What the rankers did in the funnel."""

    key: str = Field(description="names it: models, world, funnel and format")
    name: str = Field(description="of the line of models")
    day: str = Field(description="whose ads were shown: the held-out day's")
    control: str = Field(description="what the candidate is compared with")
    funnel: FunnelConfig
    samples: int
    comparisons: tuple[ArmComparison, ...]
    alignment: dict[str, tuple[Alignment, ...]] = Field(description="of each ranker, on the first sample")
    used: dict[str, float] = Field(description="spend of each ranker as a share of the budgets")
    impressions: dict[str, float] = Field(description="of each ranker, per request")

    def of(self, control: str, treatment: str) -> tuple[RelativeChange, ...]:
        """The changes from one ranker to another that were compared."""
        return next(c.changes for c in self.comparisons if (c.control, c.treatment) == (control, treatment))

    @property
    def whole(self) -> tuple[RelativeChange, ...]:
        """The candidate against the control over all impressions, by metric."""
        return tuple(c for c in self.of(self.control, CANDIDATE) if c.kind == "all")

    @property
    def has_unconstrained(self) -> bool:
        """Whether the model served without constrained modelling, too: Table 5."""
        return UNCONSTRAINED in self.used

    @property
    def words(self) -> str:
        """The first line of a report."""
        return f"{CANDIDATE} against {self.control}: {', '.join(map(str, self.whole))}"
