"""Hold the candidate and its rivals against the held-out day, once per set of models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Declarations, Frozen
from mtmd.data import Shard, ShardRef, extract_day, open_shard
from mtmd.errors import EvaluationError, LogsError
from mtmd.evaluation import (
    EvaluationReport,
    HeldOutDay,
    evaluate_predictors,
    predict_constant,
    score_day,
    window_medians,
)
from mtmd.export import score_shard
from mtmd.registry import Registry
from mtmd.serving import Scorer
from mtmd.stages.keys import candidate_key, evaluation_key
from mtmd.stages.outputs import make_once
from mtmd.stages.plan import RunPlan
from mtmd.stages.training import Trained, load_trained
from mtmd.storage import read_json, write_json

_REPORT = "report.json"


class Evaluated(Frozen):
    """Where an evaluation's report is, and which champion it was held against."""

    key: str
    path: str
    champion: str | None = Field(description="None when there is none, or when it is the candidate itself")
    champion_sequence: int = Field(description="the live champion's, 0 when there is none")
    reused: bool

    @property
    def of_champion(self) -> bool:
        """Whether the candidate is the champion itself: an earlier run promoted it."""
        return self.champion is None and self.champion_sequence > 0

    @property
    def report(self) -> EvaluationReport:
        return EvaluationReport.model_validate(read_json(Path(self.path) / _REPORT))


def model_id(plan: RunPlan, mtmd: Trained, held_out: ShardRef) -> str:
    """Name of the candidate: its day, and the digest of all that decides its files and metrics."""
    return f"{plan.as_of:%Y%m%d}-{candidate_key(mtmd.key, held_out.fingerprint, plan.preset)[:10]}"


def evaluate(
    plan: RunPlan, trained: Sequence[Trained], window: Sequence[ShardRef], held_out: ShardRef
) -> Evaluated:
    """Metrics of MTMD, its rivals, the constant and the champion on the held-out day.

    The champion is left out when it is the candidate itself. Raises EvaluationError when a prediction is not
    finite.
    """
    mtmd = next(one for one in trained if one.name == "mtmd")
    live = Registry(plan.workspace.root).champion()
    own = model_id(plan, mtmd, held_out)
    champion = None if live is None or live.model_id == own else live.model_id
    key = evaluation_key({one.name: one.key for one in trained}, held_out.fingerprint, champion, plan.preset)
    final = plan.workspace.evaluation(key)

    def build(directory: Path) -> None:
        report = _report(plan, trained, window, open_shard(Path(held_out.path)), champion)
        write_json(directory / _REPORT, report.model_dump(mode="json"))

    reused = make_once(final, build)
    return Evaluated(
        key=key,
        path=str(final),
        champion=champion,
        champion_sequence=0 if live is None else live.sequence,
        reused=reused,
    )


def _report(
    plan: RunPlan, trained: Sequence[Trained], window: Sequence[ShardRef], shard: Shard, champion: str | None
) -> EvaluationReport:
    declarations = plan.preset.declarations
    day = HeldOutDay.of(shard, declarations)
    predictions: dict[str, NDArray[np.floating]] = {
        one.name: score_day(load_trained(plan, one), shard, declarations) for one in trained
    }
    medians = window_medians((open_shard(Path(ref.path)) for ref in window), declarations)
    predictions["constant"] = predict_constant(medians, day)
    if champion is not None:
        predictions["champion"] = _champion_scores(plan, champion, shard)
    return evaluate_predictors(plan.as_of, declarations, day, predictions, plan.preset.evaluation)


def _champion_scores(plan: RunPlan, champion: str, shard: Shard) -> NDArray[np.float32]:
    """The champion's own files on the same rows; it reads the day as its own declarations say."""
    registry = Registry(plan.workspace.root)
    scorer = Scorer.load(registry.verify(champion))
    declarations = scorer.info.declarations
    if declarations.domains != plan.preset.domains:
        raise EvaluationError(
            f"champion {champion} has domains {declarations.domains}, the preset {plan.preset.domains}: they cannot "
            "be compared slice by slice; give the preset another name to start a new line of models"
        )
    if declarations != plan.preset.declarations:
        shard = _own_reading(plan, champion, declarations)
    return score_shard(scorer, shard)


def _own_reading(plan: RunPlan, champion: str, declarations: Declarations) -> Shard:
    """The held-out day as the champion declared it; columns that are newer than the champion are ignored."""
    try:
        own = extract_day(plan.logs, plan.as_of, declarations, plan.workspace.shards, ignore_undeclared=True)
    except LogsError as error:
        raise EvaluationError(
            f"champion {champion} can't read the logs of {plan.as_of} any more, so nothing can be compared with it: "
            f"{error} Roll back to a model that can, or give the preset another name to start a new line"
        ) from error
    return open_shard(Path(own.path))
