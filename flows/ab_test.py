"""What the model would do to the platform's traffic: a simulated A/B test, the paper's Tables 2 to 5."""

import argparse
import sys
from datetime import date
from typing import Annotated

from prefect import flow
from prefect.exceptions import ParameterTypeError
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows import prefect_artifacts, steps
from flows.parameters import Artifacts, AsOf, Logs, PresetName, WindowDays, described, scheduled_day
from flows.terminal import print_error, print_table
from mtmd.abtest.outcome import ABTest
from mtmd.abtest.stage import Control
from mtmd.errors import MtmdError
from mtmd.model.build import ModelKind
from mtmd.report.tables.ab_test import outcome_tables

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
    Field(description="What the model is held against: the per-slice baselines, or the live champion"),
]
Requests = Annotated[int, Field(ge=50, le=100_000, description="Requests of each; the preset's when omitted")]

_KINDS: dict[Control, tuple[ModelKind, ...]] = {"per_slice": ("mtmd", "per_slice"), "champion": ("mtmd",)}


@flow(
    name="ab-test",
    validate_parameters=True,
    persist_result=False,
    task_runner=ThreadPoolTaskRunner(max_workers=4),  # type: ignore[arg-type]  # days at once: each holds its matrices
)
@described
def ab_test(
    as_of: AsOf | None = None,
    window_days: WindowDays | None = None,
    preset: PresetName = "demo",
    samples: Samples | None = None,
    requests: Requests | None = None,
    control: Against = "per_slice",
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
) -> ABTest:
    """Train the model, its control and the unconstrained model, or reuse them; let each serve the day."""
    plan = steps.plan(as_of or scheduled_day(), preset, window_days, logs, artifacts)
    _, days = steps.validated_days(plan)
    trained = [steps.train(plan, kind, days.window) for kind in _KINDS[control]]
    trained.append(steps.train_variant(plan, "unconstrained", plan.preset.training.seed, days.window))
    tested = steps.ab_test(plan, trained, samples, requests, control)
    prefect_artifacts.ab_test(plan, tested)
    return tested


def main() -> int:
    """Run the flow from a terminal; exit status 1 for an error that the user can mend."""
    options = _parser().parse_args()
    try:
        tested = ab_test(
            as_of=options.as_of,
            window_days=options.window_days,
            preset=options.preset,
            samples=options.samples,
            requests=options.requests,
            control=options.control,
            logs=options.logs,
            artifacts=options.artifacts,
        )
    except (MtmdError, ParameterTypeError) as error:
        print_error(error)
        return 1
    for table in outcome_tables(tested):
        print_table(table)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows.ab_test", description=__doc__)
    parser.add_argument(
        "--as-of", type=date.fromisoformat, help="held-out day, YYYY-MM-DD; default: yesterday, UTC"
    )
    parser.add_argument("--window-days", type=int, help="20 to 60; default: the preset's")
    parser.add_argument("--preset", default="demo", help="a preset's name, or a path to a .toml")
    parser.add_argument("--samples", type=int, help="times that the day is run; default: the preset's")
    parser.add_argument("--requests", type=int, help="requests of each; default: the preset's")
    parser.add_argument("--control", choices=list(_KINDS), default="per_slice")
    parser.add_argument("--logs", help="default: the preset's")
    parser.add_argument("--artifacts", default="artifacts")
    return parser


if __name__ == "__main__":
    sys.exit(main())
