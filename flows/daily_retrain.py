"""The daily job: from the window's logs to a promoted model, or to the reason why not."""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from prefect import flow, unmapped
from prefect.exceptions import ParameterTypeError
from prefect.task_runners import ThreadPoolTaskRunner

from flows import prefect_artifacts, steps
from flows.ablation import ablate
from flows.parameters import (
    Ablations,
    Artifacts,
    AsOf,
    Logs,
    Override,
    PresetName,
    Promote,
    WindowDays,
    described,
    scheduled_day,
)
from flows.terminal import print_error, show
from mtmd.config import variants
from mtmd.errors import MtmdError
from mtmd.evaluate.ablation import Ablation
from mtmd.export.stage import Proofs
from mtmd.extract.shards import ShardRef
from mtmd.model.build import ModelKind
from mtmd.promote import stage as promote_stage
from mtmd.promote.stage import RunSummary
from mtmd.run import RunPlan
from mtmd.train.stage import Trained
from mtmd.validate.stage import DataQuality

KINDS: tuple[ModelKind, ...] = ("mtmd", "per_slice", "pooled")  # the candidate first


@flow(
    name="daily-retrain",
    validate_parameters=True,
    persist_result=False,
    task_runner=ThreadPoolTaskRunner(max_workers=4),  # type: ignore[arg-type]  # days at once: each holds its matrices
)
@described
def daily_retrain(
    as_of: AsOf | None = None,
    window_days: WindowDays | None = None,
    preset: PresetName = "demo",
    promote: Promote = True,
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
    ablations: Ablations = True,
    override: Override | None = None,
) -> RunSummary:
    """Validate, extract, train, evaluate, export, prove, decide; promote when every gate passes, and publish ads."""
    day = as_of or scheduled_day()
    try:
        decided = _decide(day, window_days, preset, promote, logs, artifacts, override)
    except Exception as error:
        prefect_artifacts.stopped(day, f"{error}", promote_stage.live_model(preset, artifacts))
        raise
    plan, summary = decided.plan, decided.summary
    prefect_artifacts.verdict(plan, summary)
    if summary.promoted:
        steps.publish_ads(plan, decided.shards[-1])
    _report(decided)
    if ablations:
        daily = [variant.name for variant in variants().values() if variant.daily]
        _report(decided, ablate(plan, decided.trained[:1], daily, decided.shards))
    return summary


class _Decided(NamedTuple):
    """Everything that the report of a run shows."""

    plan: RunPlan
    quality: DataQuality
    shards: Sequence[ShardRef]
    trained: Sequence[Trained]
    proofs: Proofs
    summary: RunSummary


def _decide(
    day: date,
    window_days: int | None,
    preset: str,
    promote: bool,
    logs: str | None,
    artifacts: str,
    override: str | None,
) -> _Decided:
    """From logs to the gates' decision."""
    plan = steps.plan(day, preset, window_days, logs, artifacts)

    quality = steps.validate(plan)
    prefect_artifacts.data_quality(plan, quality)
    steps.require(quality)
    shards = steps.extract.map(unmapped(plan), list(plan.all_days), list(quality.sources)).result()
    window, held_out = shards[:-1], shards[-1]

    trained = [steps.train(plan, kind, window) for kind in KINDS]
    prefect_artifacts.training(plan, trained)

    evaluation = steps.evaluate(plan, trained, window, held_out)
    prefect_artifacts.metrics(plan, evaluation)
    tested = None
    if plan.preset.ab_test.gate:
        tested = steps.ab_test(plan, trained)
        prefect_artifacts.ab_test(plan, tested)
    candidate = steps.export(plan, trained[0], evaluation, shards)
    proofs = steps.prove(plan, candidate, trained[0], held_out)
    prefect_artifacts.parity(plan, proofs)

    summary = steps.decide(
        plan, quality, shards, trained, evaluation, candidate, proofs, tested, promote, override
    )
    return _Decided(plan, quality, shards, trained, proofs, summary)


def _report(decided: _Decided, ablated: Ablation | None = None) -> None:
    steps.report(
        decided.plan,
        decided.summary,
        decided.quality,
        decided.shards,
        decided.trained,
        decided.proofs,
        ablated,
    )


def main() -> int:
    """Run the flow from a terminal; exit status 1 for an error that the user can mend."""
    options = _parser().parse_args()
    try:
        summary = daily_retrain(
            as_of=options.as_of,
            window_days=options.window_days,
            preset=options.preset,
            promote=not options.no_promote,
            logs=options.logs,
            artifacts=options.artifacts,
            ablations=not options.no_ablations,
            override=options.override,
        )
    except (MtmdError, ParameterTypeError) as error:
        print_error(error)
        return 1
    show(summary, options.preset)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows.daily_retrain", description=__doc__)
    parser.add_argument(
        "--as-of", type=date.fromisoformat, help="held-out day, YYYY-MM-DD; default: yesterday, UTC"
    )
    parser.add_argument("--window-days", type=int, help="20 to 60; default: the preset's")
    parser.add_argument("--preset", default="demo", help="a preset's name, or a path to a .toml")
    parser.add_argument("--logs", help="default: the preset's")
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument(
        "--no-ablations", action="store_true", help="skip the rows of Table 6, which cost four trainings"
    )
    parser.add_argument(
        "--override", help="reason to promote although a gate about slices, or of the A/B, fails"
    )
    parser.add_argument("--no-promote", action="store_true", help="register the candidate only")
    return parser


if __name__ == "__main__":
    sys.exit(main())
