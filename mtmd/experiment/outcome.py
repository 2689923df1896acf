"""What rankers did in the funnel, and the paper's Tables 2 to 5 of it."""

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from mtmd.config import Frozen
from mtmd.evaluation import Table
from mtmd.experiment.alignment import Alignment
from mtmd.experiment.changes import Change
from mtmd.experiment.tables import alignment_table, change_table, levels_table
from mtmd.world.config import FunnelConfig

AB_TEST_FORMAT = 1  # raise it whenever the same models in the same world would give another outcome
CANDIDATE, UNCONSTRAINED = "mtmd", "unconstrained"
BASELINE: Final = "per_slice"
CHAMPION: Final = "champion"
ORACLE, CHANCE, HEAVYWEIGHT = "oracle", "chance", "heavyweight"


class Comparison(Frozen):
    """One ranker against another, on the same samples."""

    control: str
    treatment: str
    changes: tuple[Change, ...]


class ABTest(Frozen):
    """What the rankers did in the funnel."""

    key: str = Field(description="names it: models, world, funnel and format")
    name: str = Field(description="of the line of models")
    day: str = Field(description="whose ads were shown: the held-out day's")
    control: str = Field(description="what the candidate is held against")
    funnel: FunnelConfig
    samples: int
    comparisons: tuple[Comparison, ...]
    alignment: dict[str, tuple[Alignment, ...]] = Field(description="of each ranker, on the first sample")
    used: dict[str, float] = Field(description="spend of each ranker as a share of the budgets")
    impressions: dict[str, float] = Field(description="of each ranker, per request")

    def of(self, control: str, treatment: str) -> tuple[Change, ...]:
        """The changes from one ranker to another that were compared."""
        return next(c.changes for c in self.comparisons if (c.control, c.treatment) == (control, treatment))

    @property
    def whole(self) -> tuple[Change, ...]:
        """The candidate against the control over all impressions, by metric."""
        return tuple(c for c in self.of(self.control, CANDIDATE) if c.kind == "all")

    @property
    def has_unconstrained(self) -> bool:
        """Whether the model served without constrained modelling, too: Table 5."""
        return UNCONSTRAINED in self.used

    def tables(self) -> tuple[Table, ...]:
        """The paper's tables, then what bounds them."""
        return (*self.papers(), *self.bounds())

    def papers(self) -> tuple[Table, ...]:
        """The paper's Tables 2 to 4, and 5 where the unconstrained model served."""
        gain = self.of(self.control, CANDIDATE)
        against = f"{CANDIDATE} against {self.control}"
        tables = (
            change_table(f"Table 2, by surface: {against}", gain, ("surface", "all")),
            change_table(f"Table 3, by product: {against}", gain, ("product",)),
            change_table(f"Table 4, by goal: {against}", gain, ("goal",)),
        )
        if not self.has_unconstrained:
            return tables
        constrained = self.of(UNCONSTRAINED, CANDIDATE)
        title = "Table 5, constrained against unconstrained"
        return (*tables, change_table(title, constrained, ("surface", "product")))

    def bounds(self) -> tuple[Table, ...]:
        """What can be won and lost, each ranker's metrics, and how well they agree with the heavyweight ranker."""
        control = self.control
        won, lost = self.of(control, ORACLE), self.of(control, CHANCE)
        arms = {control: _swapped(self.of(control, CANDIDATE))}
        if self.has_unconstrained:
            arms[UNCONSTRAINED] = _swapped(self.of(UNCONSTRAINED, CANDIDATE))
        arms |= {name: self.of(control, name) for name in (CANDIDATE, HEAVYWEIGHT, ORACLE, CHANCE)}
        kinds = ("all", "surface", "product", "goal")
        return (
            change_table(f"What can be won: {ORACLE} against {control}", won, kinds),
            change_table(f"What can be lost: {CHANCE} against {control}", lost, kinds),
            levels_table("Metrics of each ranker, all impressions", arms),
            alignment_table("Agreement with the heavyweight ranker", self.alignment),
        )

    @property
    def words(self) -> str:
        """The first line of a report."""
        return f"{CANDIDATE} against {self.control}: {', '.join(map(str, self.whole))}"


def _swapped(found: Sequence[Change]) -> tuple[Change, ...]:
    """The control's figures in the treatment's place."""
    return tuple(one.model_copy(update={"treatment": one.control}) for one in found)
