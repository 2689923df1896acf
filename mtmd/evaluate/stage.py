"""Evaluate the candidate and its rivals on the held-out day, once per set of models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtmd import extension
from mtmd.config import Declarations, Frozen, Preset
from mtmd.errors import EvaluationError, LogsError
from mtmd.evaluate.evaluation import METRICS_FORMAT, evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import constant_scores, score_day, score_shard
from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import Days, Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.registry.incumbent import Incumbent, incumbent
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan
from mtmd.serve.scorer import Scorer
from mtmd.store.files import digest, read_json, write_json
from mtmd.store.workspace import make_once
from mtmd.train.stage import Trained, load_for_scoring

REPORT = "report.json"


class Evaluated(Frozen):
    """Where an evaluation's report is, and which champion it was compared with."""

    key: str
    path: str
    incumbent: Incumbent
    further: dict[str, str] = Field(
        {}, description="model id of each registered model that an extra has compared besides, by its name"
    )
    reused: bool

    @property
    def report(self) -> EvaluationReport:
        return EvaluationReport.model_validate(read_json(Path(self.path) / REPORT))


def evaluation_key(
    trained: Mapping[str, str],
    held_out: str,
    champion: str | None,
    preset: Preset,
    further: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Name of an evaluation: what was compared (name → key), on which day, and in which buckets."""
    return digest(
        {
            "formats": [
                METRICS_FORMAT,
                *(there.FORMAT for there in extension.modules("evaluation").values()),
            ],
            "trained": dict(trained),
            "held_out": held_out,
            "champion": champion,
            "evaluation": preset.evaluation.model_dump(mode="json"),
            **further,
        }
    )


def evaluate(plan: RunPlan, trained: Sequence[Trained], days: Days, candidate: str) -> Evaluated:
    """Metrics of the candidate, its rivals, the constant and the incumbent champion on the held-out day.

    An extra may have further registered models compared (seam `rivals`), or write what else it makes of the same
    predictions beside the report (seam `evaluation`).

    `candidate` is the candidate's model id, by which the registry knows whether it was promoted before.
    Raises EvaluationError when a prediction is not finite, or the champion's domains are others.
    """
    opponent = incumbent(Registry(plan.workspace.root), candidate, plan.as_of)
    champion = opponent.compared
    further: dict[str, str] = {}
    for there in extension.modules("rivals").values():
        further |= there.registered(plan)
    keys = {model.name: model.key for model in trained}
    key = evaluation_key(keys, days.held_out.fingerprint, champion, plan.preset, further | plan.choice)
    final = plan.workspace.evaluation(key)

    def build(directory: Path) -> None:
        registered = {name: model_id for name, model_id in further.items() if model_id != champion}
        if champion is not None:
            registered = {"champion": champion} | registered
        _write_reports(plan, trained, days, registered, directory)

    reused = make_once(final, build)
    return Evaluated(key=key, path=str(final), incumbent=opponent, further=further, reused=reused)


def _write_reports(
    plan: RunPlan, trained: Sequence[Trained], days: Days, registered: Mapping[str, str], directory: Path
) -> None:
    declarations, shard = plan.preset.declarations, open_shard(Path(days.held_out.path))
    day = HeldOutDay.of(shard, declarations)
    predictions: dict[str, NDArray[np.floating]] = {
        model.name: score_day(load_for_scoring(plan, model), shard, declarations) for model in trained
    }
    window = (open_shard(Path(ref.path)) for ref in days.window)
    predictions["constant"] = constant_scores(window, declarations, day)
    for name, model_id in registered.items():
        predictions[name] = registered_scores(plan, model_id, shard)
    config = plan.preset.evaluation
    ages = {model.name: (plan.as_of - model.last).days for model in trained if model.last is not None}
    report = evaluate_predictors(
        plan.as_of, declarations, day, predictions, config, candidate=plan.candidate, ages=ages
    )
    write_json(directory / REPORT, report.model_dump(mode="json"))
    for there in extension.modules("evaluation").values():
        there.write(plan, days, day, predictions, directory)


def registered_scores(plan: RunPlan, model_id: str, shard: Shard) -> NDArray[np.float32]:
    """A registered model's own files on the same rows; it reads the day as its own declarations say."""
    scorer = Scorer.load(Registry(plan.workspace.root).verify(model_id))
    declarations, wanted = scorer.info.declarations, plan.preset.declarations
    own, of_preset = _sliced(declarations), _sliced(plan.preset)
    if own != of_preset:
        raise EvaluationError(
            f"model {model_id} has {own}, the preset {of_preset}: they cannot be compared slice by slice; give the "
            "preset another name to start a new line of models"
        )
    return score_shard(
        scorer, shard if _read(declarations) == _read(wanted) else _own_reading(plan, model_id, declarations)
    )


def _read(declarations: Declarations) -> dict[str, Any]:
    """What decides how a row is read: not what a task learns from, which logs may lack by now."""
    return declarations.model_dump(
        exclude={"domains": {"tasks": {"__all__": {"learn_from", "maturity", "label"}}}}
    )


def _sliced(declared: Declarations | Preset) -> dict[str, Sequence[object]]:
    """What two models must share to score the same slices of the same rows, which are sorted by these names and ids."""
    domains, ids = declared.domains, declared.ids
    return {
        "surfaces": domains.surfaces,
        "products": domains.products,
        "slices": list(map(str, domains.slices)),
        "ids of requests and ads": (ids.request, ids.ad),
    }


def _own_reading(plan: RunPlan, champion: str, declarations: Declarations) -> Shard:
    """The held-out day as the champion declared it; columns that are newer than the champion are ignored."""
    try:
        where = (plan.source, plan.as_of, declarations, plan.workspace.shards)
        own = extract_day(*where, ignore_undeclared=True, without_scores=True)
    except LogsError as error:
        raise EvaluationError(
            f"champion {champion} can't read the logs of {plan.as_of} any more, so nothing can be compared with it: "
            f"{error} Roll back to a model that can, or give the preset another name to start a new line"
        ) from error
    return open_shard(Path(own.path))
