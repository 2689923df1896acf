"""What each part of the model earns: the candidate against itself with one factor changed (paper §3.4, Table 6)."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

from pydantic import Field

from mtmd.config import Frozen, Slice, Variant, variant
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_day
from mtmd.evaluate.report import EVERYTHING, Estimate, EvaluationReport
from mtmd.evaluate.stage import REPORT, evaluation_key
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.run import RunPlan
from mtmd.store.files import digest, read_json, write_json
from mtmd.store.workspace import make_once
from mtmd.train.stage import Trained, load_for_scoring


class Ablation(Frozen):
    """The variants that were trained, compared with the candidate of the same seed; one report per seed."""

    paths: tuple[str, ...] = Field(description="where the reports are, in the order of the seeds")
    seeds: tuple[int, ...]
    trained: dict[str, str] = Field(description="key of each model, the candidates included")
    missing: tuple[str, ...] = Field((), description="variants that are not among the models, and why")

    @property
    def reports(self) -> tuple[EvaluationReport, ...]:
        """Each with the candidate "mtmd" and its variants as predictors."""
        return tuple(EvaluationReport.model_validate(read_json(Path(path) / REPORT)) for path in self.paths)


def to_train(plan: RunPlan, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The variants that change something about the plan's preset, and a message about each that does not.

    A variant that the preset is already would show a factor that is worth nothing. Raises ConfigError for a
    variant that there is not.
    """
    changing = [name for name in names if variant(name).changes(plan.preset)]
    same = [f"{name}: preset {plan.preset.name} is that already" for name in names if name not in changing]
    return changing, same


def ablate(
    plan: RunPlan, trained: Sequence[Trained], held_out: ShardRef, missing: Sequence[str] = ()
) -> Ablation:
    """Evaluate the candidate of each seed and its variants on the held-out day, once per set of models."""
    seeds = tuple(dict.fromkeys(model.seed for model in trained))
    paths = []
    for seed in seeds:
        models = [model for model in trained if model.seed == seed]
        keys = {model.name: model.key for model in models}
        # Never that of a day's evaluation, which has more files, even where both are about the same models.
        key = digest(["ablation", evaluation_key(keys, held_out.fingerprint, None, plan.preset)])
        final = plan.workspace.evaluation(key)
        make_once(final, lambda directory, models=models: _write(plan, models, held_out, directory))  # type: ignore[misc]
        paths.append(str(final))
    by_seed = {f"{model.name}, seed {model.seed}": model.key for model in trained}
    return Ablation(paths=tuple(paths), seeds=seeds, trained=by_seed, missing=tuple(missing))


def _write(plan: RunPlan, models: Sequence[Trained], held_out: ShardRef, directory: Path) -> None:
    shard, declarations = open_shard(Path(held_out.path)), plan.preset.declarations
    predictions = {
        model.name: score_day(load_for_scoring(plan, model), shard, declarations) for model in models
    }
    day = HeldOutDay.of(shard, declarations)
    report = evaluate_predictors(plan.as_of, declarations, day, predictions, plan.preset.evaluation)
    write_json(directory / REPORT, report.model_dump(mode="json"))


class Contribution(Frozen):
    """What a factor is worth in one rank bucket: positive = the model is better with it."""

    variant: str
    factor: str
    bucket: int | None
    improvement: Estimate | None
    seed_noise: float = Field(0.0, description="what another seed would change, where there is one seed")

    @property
    def verdict(self) -> Literal["helps", "hurts", "within noise"]:
        """What the factor does: the interval is on one side of 0, and another seed would change less."""
        found = self.improvement
        if found is None or found.low is None or found.high is None or abs(found.value) < self.seed_noise:
            return "within noise"
        return "helps" if found.low > 0 else "hurts" if found.high < 0 else "within noise"


def contributions(
    reports: Sequence[EvaluationReport], variants: Iterable[Variant], where: Slice = EVERYTHING
) -> tuple[Contribution, ...]:
    """Each variant's factor in each bucket that has intervals, and over all rows.

    `reports` holds one evaluation or more, one per training seed, all of the same day. With one, the interval is the
    bootstrap's over requests, and what another seed would change is not in it. With several it has both: Student's
    over the seeds' differences, and the bootstrap's, which no number of seeds makes smaller, since all see the same
    requests. Variants that were not evaluated are left out.
    """
    return tuple(
        Contribution(
            variant=variant.name,
            factor=variant.factor,
            bucket=bucket,
            improvement=over_seeds(
                [_of_seed(report, variant, where, bucket) for report in reports], reports[0].confidence
            ),
            seed_noise=reports[0].seed_noise if len(reports) == 1 else 0.0,
        )
        for variant in variants
        if all(variant.name in report.predictors for report in reports)
        for bucket in reports[0].compared_buckets
    )


def _of_seed(report: EvaluationReport, variant: Variant, where: Slice, bucket: int | None) -> Estimate | None:
    """1 − LogMAE with the factor / LogMAE without it."""
    pair = report.compared(variant.name, where, bucket)
    if pair.log_ratio is None or pair.low is None or pair.high is None:
        return None
    if not variant.added:
        return Estimate(value=-math.expm1(pair.log_ratio), low=pair.low, high=pair.high)
    # The variant has the factor: the inverse ratio, so bounds change places.
    return Estimate(
        value=-math.expm1(-pair.log_ratio), low=1 - 1 / (1 - pair.high), high=1 - 1 / (1 - pair.low)
    )


def over_seeds(estimates: Sequence[Estimate | None], confidence: float) -> Estimate | None:
    """Mean of a gain over training seeds; None where a seed lacks it.

    Of several seeds the interval joins Student's over the seeds and the mean width of the seeds' own over requests.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - a third of a second, and few runs need it

    known = [estimate for estimate in estimates if estimate is not None]
    if len(known) < len(estimates):
        return None
    if len(known) == 1:
        return known[0]
    mean = fmean(estimate.value for estimate in known)
    t = float(stdtrit(len(known) - 1, (1.0 + confidence) / 2.0))
    seeds = t * stdev(estimate.value for estimate in known) / math.sqrt(len(known))
    # bounds are missing only together with the gain
    requests = fmean((estimate.high or 0.0) - (estimate.low or 0.0) for estimate in known) / 2.0
    half = math.hypot(seeds, requests)
    return Estimate(value=mean, low=mean - half, high=mean + half)
