"""What the model would do to the platform's traffic: a simulated A/B test, and its document.

That has the paper's Tables 2 to 4: relative changes in percent with their intervals.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow, get_run_logger, task

from mtmd import command_line
from mtmd.evaluate.report import Estimate
from mtmd.extras.abtest import stage as abtest_stage
from mtmd.extras.abtest.changes import METRICS, RelativeChange
from mtmd.extras.abtest.stage import BASELINE, ABTest
from mtmd.flows import parameters, steps
from mtmd.flows.command import command_of, print_table, require_days
from mtmd.flows.parameters import Artifacts, AsOf, Logs, PresetName, WindowDays, described, scheduled_day
from mtmd.flows.prefect_artifacts import publish
from mtmd.report.document import Document, Fold, Section
from mtmd.report.evaluation import RIVAL_NAMES
from mtmd.report.tables import NOT_APPLICABLE, Cell, Column, Table, columns_of, enumerated
from mtmd.run import RunPlan
from mtmd.train.rivals import compared
from mtmd.train.stage import Trained


@flow(name="ab-test", flow_run_name=parameters.of_day, persist_result=False)
@described
def ab_test(
    as_of: AsOf | None = None,
    window_days: WindowDays | None = None,
    preset: PresetName = "demo",
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
) -> ABTest:
    """Train the model and its rivals, or reuse them; let each serve the day."""
    plan = steps.plan(as_of or scheduled_day(), preset, window_days, logs, artifacts)
    abtest_stage.world_of(plan.preset, plan.logs)  # others' logs are refused before anything is trained
    _, days = steps.validated_days(plan)
    candidate, *rivals = compared(plan)  # a rival that is never trained is left out
    kinds = dict.fromkeys((candidate, abtest_stage.BASELINE, *rivals))
    trained = steps.train_all(plan, tuple(kinds), days.window, steps.choose_start(plan, days.window).start)
    champion = abtest_stage.champion_beside(plan, trained[0], days.held_out)
    tested = serve(plan, trained, champion)
    steps.update_index(artifacts, preset)
    return tested


@task(persist_result=False, name="ab_test")
def serve(planned: RunPlan, trained: Sequence[Trained], champion: str | None = None) -> ABTest:
    """Let each model serve the same traffic in the simulated funnel, and publish what came of it."""
    logger = get_run_logger()
    tested = abtest_stage.ab_test(
        planned, trained, champion=champion, on_sample=lambda done: logger.info("sample %d", done)
    )
    logger.info("%s", tested.words)
    publish("ab-test", f"as_of {planned.as_of}: {tested.words}", document(planned, tested))
    return tested


def change_table(title: str, changes: Sequence[RelativeChange], kinds: Sequence[str]) -> Table:
    """A row per cell of these kinds (surface, product, goal, all), a column per metric."""
    rows: dict[str, list[RelativeChange]] = {}
    for change in changes:
        if change.kind in kinds:
            rows.setdefault(change.cell.replace("_", " "), []).append(change)
    return _table(title, rows)


def outcome_tables(tested: ABTest) -> tuple[Table, ...]:
    """The candidate against each rival over all impressions, then the paper's Tables 2 to 4 against the baselines."""
    against = f"{tested.candidate} against {BASELINE}"
    gain = tested.comparisons[BASELINE]
    rivals = {
        f"against {rival}": [change for change in tested.comparisons[rival] if change.kind == "all"]
        for rival in tested.rivals
    }
    return (
        _table(f"{tested.candidate} against each rival, all impressions", rivals),
        change_table(f"Table 2, by surface: {against}", gain, ("surface", "all")),
        change_table(f"Table 3, by product: {against}", gain, ("product",)),
        change_table(f"Table 4, by goal: {against}", gain, ("goal",)),
    )


def _table(title: str, rows: Mapping[str, Sequence[RelativeChange]]) -> Table:
    return Table(
        title=title,
        columns=(Column(name="", kind="text"), *columns_of("estimate", METRICS)),
        rows=tuple((name, *map(_estimate, changes)) for name, changes in rows.items()),
    )


def _estimate(change: RelativeChange) -> Cell:
    if change.change is None:
        return NOT_APPLICABLE
    return Estimate(value=change.change, low=change.low, high=change.high)


def _words(tested: ABTest) -> str:
    """Which metrics of the simulated A/B differ: one that chance explains is neither better nor worse."""
    known = [change for change in tested.whole if change.change is not None]
    groups = {
        "better in": [c.metric for c in known if c.significant and c.better],
        "worse in": [c.metric for c in known if c.significant and not c.better],
        "not to be told apart in": [c.metric for c in known if not c.significant],
    }
    parts = [f"{how} {enumerated(metrics)}" for how, metrics in groups.items() if metrics]
    rival = RIVAL_NAMES[BASELINE]
    return f"Against the {rival}, over all impressions: {'; '.join(parts) or 'nothing to compare'}."


def document(plan: RunPlan, tested: ABTest) -> Document:
    """The document of a test's artifact."""
    first, *papers = outcome_tables(tested)
    size = tested.settings
    section = Section(
        anchor="ab-test",
        title="Simulated A/B test",
        order=65,
        lead=_words(tested),
        blocks=[first, Fold("By surface, by product, by goal (paper, Tables 2 to 4)", papers)],
        how=f"{size.samples} samples of {size.requests:,} simulated requests of {tested.day}; relative changes, "
        "paired, with 95% intervals over samples; lower is better for CPC. Each model was trained once, and "
        f"what another seed would change is not in the intervals. A lightweight ranker hands on {size.keep} ads, and "
        f"{size.slots} of these are shown.",
    )
    words = (tested.words, f"as_of {plan.as_of}, preset {plan.preset.name}")
    return Document(f"Simulated A/B test on {tested.day}", "", words, sections=(section,))


def _show(tested: ABTest, _: Mapping[str, Any]) -> None:
    for table in outcome_tables(tested):
        print_table(table)


command = command_of(ab_test, _show, require_days)

if __name__ == "__main__":
    sys.exit(command_line.run(command, "python -m mtmd.extras.abtest.flow"))
