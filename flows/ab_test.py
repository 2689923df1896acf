"""What the model would do to the platform's traffic: a simulated A/B test, the paper's Tables 2 to 5."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from mtmd import command_line
from mtmd.abtest.outcome import ABTest
from mtmd.abtest.stage import Control
from mtmd.abtest.trial import REQUESTS, SAMPLES, Size, variants_beside
from mtmd.flows import index, parameters, prefect_artifacts, steps
from mtmd.flows.command import command_of, require_days
from mtmd.flows.parameters import (
    Artifacts,
    AsOf,
    Logs,
    PresetName,
    WindowDays,
    described,
    scheduled_day,
)
from mtmd.flows.terminal import print_table
from mtmd.model.build import ModelKind
from mtmd.report.ab_test import outcome_tables
from mtmd.train.rivals import compared

Samples = Annotated[
    int,
    Field(
        ge=5,
        le=200,
        description="Times that the held-out day is run, each with other requests; the preset's when omitted",
    ),
]
Against = Annotated[
    Control,
    Field(description="What the model is compared with: the per-slice baselines, or the champion before it"),
]
Requests = Annotated[int, Field(ge=50, le=100_000, description="Requests of each; the preset's when omitted")]

AtSize = Annotated[
    Size,
    Field(
        description="full: trains what is missing, which takes as long as a daily run, then the preset's samples (the "
        "demo's: 7 minutes of processor time); trial: trains nothing, and runs "
        f"{SAMPLES} samples of {REQUESTS} requests in less than a minute, for a look at the artifact: too few to "
        "conclude from"
    ),
]

_KINDS: tuple[ModelKind, ...] = ("mtmd", "per_slice", "pooled")  # the candidate first


@flow(name="ab-test", flow_run_name=parameters.of_day, persist_result=False)
@described
def ab_test(
    as_of: AsOf | None = None,
    window_days: WindowDays | None = None,
    preset: PresetName = "demo",
    samples: Samples | None = None,
    requests: Requests | None = None,
    control: Against = "per_slice",
    size: AtSize = "full",
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
) -> ABTest:
    """Train the model, its rivals and the unconstrained model, or reuse them; let each serve the day.

    The unconstrained model is left out on a day that goes on from the champion, as it would be trained anew, and where
    no task has a parent. A trial takes it where it is trained.
    """
    plan = steps.plan(as_of or scheduled_day(), preset, window_days, logs, artifacts)
    _, days = steps.validated_days(plan)
    start = steps.choose_start(plan, days.window).start
    # As on the page of the day, which looks for this test: a rival that is never trained is left out, but as control.
    kinds = [kind for kind in _KINDS if kind == control or kind in compared(plan, _KINDS)]
    variants = variants_beside(plan.preset, start)
    if size == "trial":
        variants = steps.require_trained(plan, kinds, days.window, start)
        samples, requests = samples or SAMPLES, requests or REQUESTS
    trained = [
        steps.train(plan, kind, days.window, start=start if kind == "mtmd" else None) for kind in kinds
    ]
    trained += [steps.train_variant(plan, name, plan.preset.training.seed, days.window) for name in variants]
    champion = steps.champion_beside(plan, trained[0], days)
    tested = steps.ab_test(plan, trained, samples, requests, control, champion)
    prefect_artifacts.ab_test(plan, tested, trial=size == "trial")
    index.update(artifacts, preset)
    return tested


def _show(tested: ABTest, _: Mapping[str, Any]) -> None:
    for table in outcome_tables(tested):
        print_table(table)


command = command_of(ab_test, _show, require_days)

if __name__ == "__main__":
    sys.exit(command_line.run(command, "python -m mtmd.flows.ab_test"))
