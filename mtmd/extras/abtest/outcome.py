"""What rankers did in the funnel."""

from typing import Final

from pydantic import Field

from mtmd.config import Frozen
from mtmd.extras.abtest.arms import Alignment
from mtmd.extras.abtest.changes import RelativeChange
from mtmd.extras.abtest.settings import FunnelConfig

AB_TEST_FORMAT = 2  # raise it whenever the same models in the same world would give another outcome
CANDIDATE, UNCONSTRAINED, POOLED = "mtmd", "unconstrained", "pooled"
BASELINE: Final = "per_slice"
CHAMPION: Final = "champion"
ORACLE, CHANCE, HEAVYWEIGHT = "oracle", "chance", "heavyweight"
RIVALS = (BASELINE, POOLED, CHAMPION)


class ArmComparison(Frozen):
    """One ranker against another, on the same samples."""

    control: str
    treatment: str
    changes: tuple[RelativeChange, ...]


class ABTest(Frozen):
    """What the rankers did in the funnel."""

    key: str = Field(description="names it: models, control, world, funnel and format")
    name: str = Field(description="of the line of models")
    day: str = Field(description="whose ads were shown: the held-out day's")
    control: str = Field(description="what the candidate is compared with")
    funnel: FunnelConfig
    samples: int
    comparisons: tuple[ArmComparison, ...]
    alignment: dict[str, tuple[Alignment, ...]] = Field(description="of each ranker, on the first sample")
    used: dict[str, float] = Field(description="spend of each ranker as a share of the budgets")
    impressions: dict[str, float] = Field(description="of each ranker, per request")
    follows: dict[str, str] = Field(
        description="metric → the metric that it follows from in this world, so that it is no further evidence"
    )

    def of(self, control: str, treatment: str) -> tuple[RelativeChange, ...]:
        """The changes from one ranker to another that were compared."""
        return next(c.changes for c in self.comparisons if (c.control, c.treatment) == (control, treatment))

    @property
    def whole(self) -> tuple[RelativeChange, ...]:
        """The candidate against the control over all impressions, by metric."""
        return tuple(c for c in self.of(self.control, CANDIDATE) if c.kind == "all")

    @property
    def distinct(self) -> tuple[RelativeChange, ...]:
        """The same of the metrics that follow from no other: what is evidence of its own."""
        return tuple(change for change in self.whole if change.metric not in self.follows)

    @property
    def rivals(self) -> tuple[str, ...]:
        """The models beside the candidate that it was compared with, the control first."""
        others = [name for name in RIVALS if name in self.used and name != self.control]
        return (self.control, *others)

    @property
    def following_words(self) -> str:
        """`HDR and RPR follow from CTR in this world`, or nothing."""
        if not self.follows:
            return ""
        sources = ", ".join(dict.fromkeys(self.follows.values()))
        return f"{' and '.join(self.follows)} follow from {sources} in this world"

    @property
    def has_unconstrained(self) -> bool:
        """Whether the model served without constrained modelling, too: Table 5."""
        return UNCONSTRAINED in self.used

    @property
    def words(self) -> str:
        """The first line of a report."""
        return f"{CANDIDATE} against {self.control}: {', '.join(map(str, self.whole))}"
