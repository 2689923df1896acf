"""What the model would do to the platform's traffic: a simulated A/B test, the paper's Tables 2 to 4."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow, get_run_logger, task

from mtmd import command_line
from mtmd.extras.abtest import stage as abtest_stage
from mtmd.extras.abtest import tables
from mtmd.extras.abtest.stage import ABTest
from mtmd.flows import parameters, steps
from mtmd.flows.command import command_of, print_table, require_days
from mtmd.flows.parameters import Artifacts, AsOf, Logs, PresetName, WindowDays, described, scheduled_day
from mtmd.flows.prefect_artifacts import publish
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
    _, days = steps.validated_days(plan)
    start = steps.choose_start(plan, days.window).start
    candidate, *rivals = compared(plan)  # a rival that is never trained is left out
    kinds = dict.fromkeys((candidate, abtest_stage.BASELINE, *rivals))
    trained = steps.train_all(plan, tuple(kinds), days.window, start)
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
    publish("ab-test", f"as_of {planned.as_of}: {tested.words}", tables.document(planned, tested))
    return tested


def _show(tested: ABTest, _: Mapping[str, Any]) -> None:
    for table in tables.outcome_tables(tested):
        print_table(table)


command = command_of(ab_test, _show, require_days)

if __name__ == "__main__":
    sys.exit(command_line.run(command, "python -m mtmd.extras.abtest.flow"))
