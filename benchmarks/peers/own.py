"""MTMD and its own rivals for the comparison: taken from the artifacts, or trained into them."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.flops import pair_flops
from benchmarks.peers.table import Cost
from benchmarks.runs import timed_training
from mtmd.evaluate.predictors import score_day
from mtmd.extract.shards import Shard, ShardRef
from mtmd.model.build import ModelKind
from mtmd.run import RunPlan
from mtmd.train.results import FitResult
from mtmd.train.stage import load_trained

OWN: tuple[ModelKind, ...] = ("mtmd", "per_slice", "pooled")


def own_model(
    plan: RunPlan, kind: ModelKind, window: Sequence[ShardRef], day: Shard, say: Callable[[str], None]
) -> tuple[NDArray[np.float32], Cost]:
    """Log-probabilities of the held-out day's candidates (P, T), and the model's cost.

    `mtmd.train.trainer.fit` trains it, unless the artifacts have a model of the same data, configuration and code.
    Then its cost has no rows a second: they were measured at another time, and perhaps on other threads.
    """
    trained, seconds = timed_training(plan, kind, window)
    say(f"{kind}: {'found in the artifacts' if trained.reused else 'trained'}")
    model = load_trained(plan, trained)
    scores = score_day(model, day, plan.preset.declarations)
    flops = pair_flops(model, day, plan.preset.declarations)
    speed = None if seconds is None else trained.fit.rows_per_s
    return scores, _cost(trained.fit, plan.preset.training_of(kind).learning_rate, flops, speed)


def _cost(fit: FitResult, learning_rate: float, flops: int, rows_per_s: float | None) -> Cost:
    return Cost(
        input="two towers",
        parameters=fit.parameters,
        pair_flops=flops,
        rows_per_s=rows_per_s,
        validation_kl=fit.epochs[fit.best_epoch - 1].validation_loss,
        learning_rate=learning_rate,
        epochs=f"{fit.best_epoch} of {len(fit.epochs)}",
        precision=fit.precision,
    )
