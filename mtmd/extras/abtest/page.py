"""The section of a run's page: the paper's Tables 2 to 5, relative changes in percent with their intervals."""

from collections.abc import Mapping, Sequence

from mtmd.evaluate.report import Estimate
from mtmd.extras.abtest.arms import Alignment
from mtmd.extras.abtest.changes import RelativeChange
from mtmd.extras.abtest.outcome import CANDIDATE, CHANCE, HEAVYWEIGHT, ORACLE, UNCONSTRAINED, ABTest
from mtmd.extras.abtest.stage import find_ab_test
from mtmd.report.document import Document, Fold, Section
from mtmd.report.evaluation import RIVAL_NAMES
from mtmd.report.tables import NOT_APPLICABLE, Cell, Column, Table, columns_of
from mtmd.report.text import enumerated
from mtmd.report.view import RunRecords
from mtmd.run import RunPlan

RANKER_NAMES = {  # as a reader of the funnel knows them; models keep their names
    ORACLE: "the truth",
    HEAVYWEIGHT: "heavyweight ranker",
    CHANCE: "random scores",
}


def change_table(title: str, changes: Sequence[RelativeChange], kinds: Sequence[str]) -> Table:
    """A row per cell of these kinds (surface, product, goal, all), a column per metric."""
    by_cell = {(c.kind, c.cell, c.metric): c for c in changes}
    cells = dict.fromkeys((c.kind, c.cell) for c in changes if c.kind in kinds)
    metrics = _metrics(changes)
    rows = tuple(
        (cell.replace("_", " "), *(_estimate(by_cell[kind, cell, metric]) for metric in metrics))
        for kind, cell in cells
    )
    columns = (Column(name="", kind="text"), *columns_of("estimate", metrics))
    return Table(title=title, columns=columns, rows=rows)


def levels_table(title: str, arms: Mapping[str, Sequence[RelativeChange]]) -> Table:
    """The metrics of each arm over all impressions; an arm is the treatment of its changes."""
    rows = tuple((name, *(c.treatment for c in changes if c.kind == "all")) for name, changes in arms.items())
    metrics = _metrics([change for changes in arms.values() for change in changes])
    columns = (Column(name="lightweight ranker", kind="text"), *columns_of("number", metrics))
    return Table(title=title, columns=columns, rows=rows)


def alignment_table(title: str, rankers: Mapping[str, Sequence[Alignment]]) -> Table:
    """A row per ranker, agreement with the heavyweight ranker by surface."""
    rows = tuple(
        (ranker, *(one.kept for one in surfaces), *(one.winners for one in surfaces))
        for ranker, surfaces in rankers.items()
    )
    names = [one.surface.replace("_", " ") for one in next(iter(rankers.values()))]
    columns = (
        Column(name="lightweight ranker", kind="text"),
        *columns_of("number", (f"{share}, {name}" for share in ("kept", "winners") for name in names)),
    )
    return Table(title=title, columns=columns, rows=rows)


def _metrics(changes: Sequence[RelativeChange]) -> list[str]:
    """In the order in which they come."""
    return list(dict.fromkeys(change.metric for change in changes))


def _estimate(change: RelativeChange) -> Cell:
    if change.change is None:
        return NOT_APPLICABLE
    return Estimate(value=change.change, low=change.low, high=change.high)


def outcome_tables(tested: ABTest) -> tuple[Table, ...]:
    """All rankers side by side, the paper's tables, then the rankers that are no models."""
    return (*whole_tables(tested), *paper_tables(tested), *reference_tables(tested))


def whole_tables(tested: ABTest) -> tuple[Table, Table]:
    """Over all impressions: every ranker against the control, and the candidate against each of its rivals."""
    control = tested.control
    rankers = (ORACLE, HEAVYWEIGHT, CANDIDATE, *tested.rivals[1:], CHANCE)
    return (
        _whole_table(
            f"All rankers against {control}, all impressions",
            {RANKER_NAMES.get(name, name): tested.of(control, name) for name in rankers},
        ),
        _whole_table(
            f"{CANDIDATE} against each rival, all impressions",
            {f"against {name}": tested.of(name, CANDIDATE) for name in tested.rivals},
        ),
    )


def _whole_table(title: str, rows: Mapping[str, Sequence[RelativeChange]]) -> Table:
    metrics = _metrics([change for changes in rows.values() for change in changes])
    return Table(
        title=title,
        columns=(Column(name="", kind="text"), *columns_of("estimate", metrics)),
        rows=tuple(
            (name, *(_estimate(change) for change in changes if change.kind == "all"))
            for name, changes in rows.items()
        ),
    )


def paper_tables(tested: ABTest) -> tuple[Table, ...]:
    """The paper's Tables 2 to 4, and 5 where the unconstrained model served."""
    gain = tested.of(tested.control, CANDIDATE)
    against = f"{CANDIDATE} against {tested.control}"
    tables = (
        change_table(f"Table 2, by surface: {against}", gain, ("surface", "all")),
        change_table(f"Table 3, by product: {against}", gain, ("product",)),
        change_table(f"Table 4, by goal: {against}", gain, ("goal",)),
    )
    if not tested.has_unconstrained:
        return tables
    constrained = tested.of(UNCONSTRAINED, CANDIDATE)
    title = "Table 5, constrained against unconstrained"
    return (*tables, change_table(title, constrained, ("surface", "product")))


def reference_tables(tested: ABTest) -> tuple[Table, ...]:
    """The truth and chance by cell, each ranker's metrics, and how well they agree with the heavyweight ranker."""
    control = tested.control
    won, lost = tested.of(control, ORACLE), tested.of(control, CHANCE)
    arms = {control: _swapped(tested.of(control, CANDIDATE))}
    if tested.has_unconstrained:
        arms[UNCONSTRAINED] = _swapped(tested.of(UNCONSTRAINED, CANDIDATE))
    arms |= {
        name: tested.of(control, name)
        for name in (*tested.rivals[1:], CANDIDATE, HEAVYWEIGHT, ORACLE, CHANCE)
    }
    kinds = ("all", "surface", "product", "goal")
    return (
        change_table(f"What the truth wins: {ORACLE} against {control}", won, kinds),
        change_table(f"What chance loses: {CHANCE} against {control}", lost, kinds),
        levels_table("Metrics of each ranker, all impressions", arms),
        alignment_table("Agreement with the heavyweight ranker", tested.alignment),
    )


def _swapped(changes: Sequence[RelativeChange]) -> tuple[RelativeChange, ...]:
    """The control's figures in the treatment's place."""
    return tuple(change.model_copy(update={"treatment": change.control}) for change in changes)


def _words(tested: ABTest) -> str:
    """Which metrics of the simulated A/B differ: one that chance explains is neither better nor worse."""
    known = [change for change in tested.distinct if change.change is not None]
    groups = {
        "better in": [c.metric for c in known if c.significant and c.better],
        "worse in": [c.metric for c in known if c.significant and not c.better],
        "not to be told apart in": [c.metric for c in known if not c.significant],
    }
    parts = [f"{how} {enumerated(metrics)}" for how, metrics in groups.items() if metrics]
    following = f" {tested.following_words}: no further evidence." if tested.follows else ""
    rival = RIVAL_NAMES[tested.control]
    return (
        f"Against the {rival}, over all impressions: {'; '.join(parts) or 'nothing to compare'}.{following}"
    )


def _section(tested: ABTest) -> Section:
    """In words; all rankers side by side; the paper's tables and what the truth and chance win in folds."""
    funnel = tested.funnel
    return Section(
        anchor="ab-test",
        title="Simulated A/B test",
        order=65,
        lead=_words(tested),
        blocks=[
            *whole_tables(tested),
            Fold("By surface, by product, by goal (paper, Tables 2 to 5)", paper_tables(tested)),
            Fold("The truth and random scores, each ranker's metrics, agreement", reference_tables(tested)),
        ],
        how=f"{tested.samples} samples of {funnel.requests:,} simulated requests of {tested.day}; relative changes, "
        "paired, with 95% intervals over samples; lower is better for CPC and HDR. Each model was trained once, and "
        f"what another seed would change is not in the intervals. A lightweight ranker hands on {funnel.keep} ads, and "
        f"{funnel.slots} of these are shown.",
    )


def document(plan: RunPlan, tested: ABTest) -> Document:
    """The document of a test's artifact."""
    words = (tested.words, f"as_of {plan.as_of}, preset {plan.preset.name}")
    return Document(f"Simulated A/B test on {tested.day}", "", words, sections=(_section(tested),))


def sections(found: RunRecords) -> tuple[Section, ...]:
    """The test of the run's models, where one was run at the preset's size."""
    run = found.run
    tested = find_ab_test(run.plan, run.trained, run.days.window, run.evaluated.incumbent.compared)
    return () if tested is None else (_section(tested),)
