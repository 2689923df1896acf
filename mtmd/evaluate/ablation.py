"""What each part of the model earns: the candidate against itself with one factor changed (paper §3.4, Table 6)."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from mtmd.config import Frozen, variant
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_day
from mtmd.evaluate.report import EvaluationReport
from mtmd.evaluate.stage import evaluation_key
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.run import RunPlan
from mtmd.store.files import digest, read_json, write_json
from mtmd.store.outputs import make_once
from mtmd.train.stage import Trained, load_for_scoring

_REPORT = "report.json"


class Ablation(Frozen):
    """The variants that were trained, compared with the candidate of the same seed; one report per seed."""

    paths: tuple[str, ...] = Field(description="where the reports are, in the order of the seeds")
    seeds: tuple[int, ...]
    trained: dict[str, str] = Field(description="key of each model, the candidates included")
    missing: tuple[str, ...] = Field((), description="variants that are not among the models, and why")

    @property
    def reports(self) -> tuple[EvaluationReport, ...]:
        """Each with the candidate "mtmd" and its variants as predictors."""
        return tuple(EvaluationReport.model_validate(read_json(Path(path) / _REPORT)) for path in self.paths)


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
    write_json(directory / _REPORT, report.model_dump(mode="json"))
