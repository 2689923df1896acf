"""The result of a replay: which share of what the heavyweight ranker takes survives a cut, as JSON and look-ups."""

from datetime import date
from functools import cached_property

from pydantic import ConfigDict, Field

from mtmd.config import Frozen, Slice
from mtmd.errors import EvaluationError
from mtmd.evaluate.report import ALL, Estimate

VALUE = "value"  # stands for the task in cells that are ranked by value
RANDOM = "random"  # a cut that keeps candidates at random: the floor
EVERYWHERE = Slice(ALL, ALL, VALUE)


class ReplayCell(Frozen):
    """A slice, or the whole requests of a surface (product "all", task "value"), or those of all surfaces."""

    surface: str
    product: str
    task: str
    requests: int = Field(description="with two scored candidates or more: those that are counted")
    alone: int = Field(description="with a single one: nothing to choose, not counted")
    candidates: int = Field(description="of the counted requests")
    cut: tuple[int, ...] = Field(description="requests with more than K candidates, for each K")

    @property
    def slice(self) -> Slice:
        return Slice(self.surface, self.product, self.task)


class ReplayShare(Frozen):
    """What is left after a cut, as a share of what the heavyweight ranker takes without one; None of nothing."""

    model_config = ConfigDict(allow_inf_nan=False)

    predictor: str
    surface: str
    product: str
    task: str
    kept: int = Field(description="K: candidates of a request that the predictor keeps")
    recall: Estimate | None = Field(description="of the heavyweight ranker's best k ads")
    actions: Estimate | None = Field(
        description="of the expected actions of the task; of the first task by value"
    )
    value: Estimate | None = Field(description="of bid × score")

    @property
    def slice(self) -> Slice:
        return Slice(self.surface, self.product, self.task)


class ReplayReport(Frozen):
    """Every predictor's cuts of the held-out day's requests, and the candidate's against one reference."""

    as_of: date
    candidate: str
    reference: str = Field(
        description="what the candidate is compared with: the champion, or the per-slice baselines"
    )
    predictors: tuple[str, ...] = Field(description="the last one keeps candidates at random")
    top: int = Field(description="k: ads that the heavyweight ranker takes")
    kept: tuple[int, ...]
    weights: dict[str, float] = Field(description="of the tasks in value")
    confidence: float
    without_bid: int = Field(
        description="candidates with an unknown bid: without value, and not ranked by it"
    )
    cells: tuple[ReplayCell, ...]
    shares: tuple[ReplayShare, ...]
    differences: tuple[ReplayShare, ...] = Field(description="candidate − reference, of shares")

    @cached_property
    def by_value(self) -> tuple[Slice, ...]:
        """The cells that are ranked by value: all surfaces, then each."""
        return tuple(cell.slice for cell in self.cells if cell.product == ALL)

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """The cells that are ranked by a task's score."""
        return tuple(cell.slice for cell in self.cells if cell.product != ALL)

    def cell(self, where: Slice) -> ReplayCell:
        """Counts of a cell; raises EvaluationError for one that there is not."""
        found = self._cells.get(where)
        if found is None:
            raise EvaluationError(f"the replay has no cell {where}; see .slices and .by_value")
        return found

    def share(self, predictor: str, where: Slice, kept: int) -> ReplayShare:
        """What a predictor's cut leaves; raises EvaluationError for what was not replayed."""
        found = self._shares.get((predictor, where, kept))
        if found is None:
            raise EvaluationError(
                f"the replay has no share of {predictor!r} in {where} with {kept} kept; predictors: "
                f"{list(self.predictors)}; kept: {list(self.kept)}; cells: see .slices and .by_value"
            )
        return found

    def difference(self, where: Slice, kept: int) -> ReplayShare:
        """Candidate − reference; of a cell that there is."""
        return self._differences[where, kept]

    @cached_property
    def _cells(self) -> dict[Slice, ReplayCell]:
        return {cell.slice: cell for cell in self.cells}

    @cached_property
    def _shares(self) -> dict[tuple[str, Slice, int], ReplayShare]:
        return {(one.predictor, one.slice, one.kept): one for one in self.shares}

    @cached_property
    def _differences(self) -> dict[tuple[Slice, int], ReplayShare]:
        return {(one.slice, one.kept): one for one in self.differences}
