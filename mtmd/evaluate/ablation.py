"""What each part of the model earns: the candidate against itself with one factor changed (paper §3.4, Table 6)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal, NamedTuple, get_args

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

_Verdict = Literal["within noise", "helps", "hurts"]  # by the sign of what the factor adds


class Ablation(Frozen):
    """The variants that were trained, compared with the candidate of the same seed; one report per seed."""

    paths: tuple[str, ...] = Field(description="where the reports are, in the order of the seeds")
    seeds: tuple[int, ...]
    missing: tuple[str, ...] = Field((), description="variants that are not among the models, and why")

    @property
    def reports(self) -> tuple[EvaluationReport, ...]:
        """Each with the candidate and its variants as predictors."""
        return tuple(EvaluationReport.model_validate(read_json(Path(path) / REPORT)) for path in self.paths)


def to_train(plan: RunPlan, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The variants that change something about the plan's preset, and a message about each that does not.

    A variant that the preset is already would show a factor that is worth nothing. Raises ConfigError for a
    variant that there is not.
    """
    changing = [name for name in names if variant(name, plan.preset.candidate).changes(plan.preset)]
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
    return Ablation(paths=tuple(paths), seeds=seeds, missing=tuple(missing))


def _write(plan: RunPlan, models: Sequence[Trained], held_out: ShardRef, directory: Path) -> None:
    shard, declarations = open_shard(Path(held_out.path)), plan.preset.declarations
    predictions = {
        model.name: score_day(load_for_scoring(plan, model), shard, declarations) for model in models
    }
    day = HeldOutDay.of(shard, declarations)
    report = evaluate_predictors(plan.as_of, declarations, day, predictions, plan.preset.evaluation)
    write_json(directory / REPORT, report.model_dump(mode="json"))


class Contribution(NamedTuple):
    """What a factor is worth: positive = the model is better with it."""

    factor: str
    improvements: tuple[Estimate | None, ...]  # in each bucket that has intervals, then over all rows
    verdict: _Verdict  # over all rows


def contributions(
    reports: Sequence[EvaluationReport], variants: Iterable[Variant], where: Slice = EVERYTHING
) -> Iterator[Contribution]:
    """Of each variant's factor; variants that were not evaluated are left out.

    `reports` holds one evaluation or more, one per training seed, all of the same day. With one, the interval is the
    bootstrap's over requests, and what another seed would change is not in it. With several it has both: Student's
    over the seeds' differences, and the bootstrap's, which no number of seeds makes smaller, since all see the same
    requests.
    """
    first = reports[0]
    noise = first.noise_at(where) if len(reports) == 1 else 0.0
    for changed in variants:
        if all(changed.name in report.predictors for report in reports):
            improvements = tuple(
                over_seeds([_of_seed(report, changed, where, bucket) for report in reports], first.confidence)
                for bucket in first.compared_buckets
            )
            sign = improvements[-1].sign(noise) if improvements[-1] else 0
            yield Contribution(changed.factor, improvements, get_args(_Verdict)[sign])


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
