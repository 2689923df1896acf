"""What each part of the model earns on this platform's traffic: the paper's Table 6, over several seeds."""

import sys
from collections.abc import Sequence
from typing import Annotated

from prefect import flow, get_run_logger
from pydantic import Field

from mtmd import command_line
from mtmd.config import all_variants, load_preset, variant, variants
from mtmd.evaluate.ablation import Ablation, to_train
from mtmd.extract.shards import Days, ShardRef
from mtmd.flows import parameters, steps
from mtmd.flows.command import command_of, require_days, show_ablation
from mtmd.flows.parameters import Artifacts, AsOf, Logs, PresetName, WindowDays, described, scheduled_day
from mtmd.flows.prefect_artifacts import publish_of_day
from mtmd.report import stages, view
from mtmd.run import RunPlan
from mtmd.train.stage import Trained

Seeds = Annotated[
    list[Annotated[int, Field(ge=0, le=2**63 - 1)]],  # as training.seed of a preset
    Field(min_length=1, max_length=10, description="Training seeds, such as [0, 1, 2]"),
]

Names = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": list(all_variants())})]],
    Field(min_length=1, description="Variants of the preset's architecture"),
]


@flow(name="ablation", flow_run_name=parameters.of_day, persist_result=False)
@described
def ablation(
    as_of: AsOf | None = None,
    window_days: WindowDays | None = None,
    preset: PresetName = "demo",
    seeds: Seeds = [0, 1, 2],  # noqa: B006 - a parameter's default, as the run form shows it; never changed
    names: Names | None = None,
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
) -> Ablation:
    """Train the model and every variant of it with each seed; what was trained before is reused."""
    kind = load_preset(preset).candidate
    chosen = list(variants(kind)) if names is None else [variant(name, kind).name for name in names]
    plan = steps.plan(as_of or scheduled_day(), preset, window_days, logs, artifacts)
    _, days = steps.validated_days(plan)
    given = [
        {"planned": plan, "kind": kind, "window": days.window, "seed": seed} for seed in dict.fromkeys(seeds)
    ]
    with steps.side_by_side(len(given), plan.preset) as runner:
        full = [future.result() for future in [runner.submit(steps.train, one) for one in given]]
    return ablate(plan, full, chosen, days)


def ablate(
    plan: RunPlan, full: Sequence[Trained], names: Sequence[str], days: Days, page: str | None = None
) -> Ablation:
    """Train variants with the seeds of the full models, evaluate and publish them. Runs inside a flow.

    `page` is the one of the day's run, if the run has one: the artifact leads there.

    A variant that the preset has already, or whose training fails, is reported missing: what a factor is worth
    decides nothing.
    """
    changing, missing = to_train(plan, names)
    trained, failed = train_variants(plan, changing, [model.seed for model in full], list(days.window))
    ablated = steps.ablate(plan, [*full, *trained], days.held_out, [*missing, *failed])
    publish_of_day("ablation", plan, view.of_stage(plan, stages.ablations(ablated)), page)
    return ablated


def train_variants(
    plan: RunPlan, names: list[str], seeds: list[int], window: list[ShardRef]
) -> tuple[list[Trained], list[str]]:
    """Submit every variant's training with every seed; returns those that ended well, and why others did not."""
    alike = {"planned": plan, "kind": plan.preset.candidate, "window": window}
    given = {
        f"train {name}, seed {seed}": alike | {"variant": name, "seed": seed}
        for name in names
        for seed in seeds
    }
    with steps.side_by_side(len(given), plan.preset) as runner:
        trained, failed = steps.all_of(runner, steps.train, given)
    for reason in failed:
        get_run_logger().warning("%s", reason)
    return trained, failed


command = command_of(ablation, show_ablation, require_days)

if __name__ == "__main__":
    sys.exit(command_line.run(command, "python -m mtmd.flows.ablation"))
