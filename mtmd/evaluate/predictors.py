"""Log-probabilities for a whole day: of a trained model, of an exported bundle, and of the constant predictor.

The constant is what one can say of a slice without looking at a row: the median of the slice's teacher scores in the
training window. LogMAE is the mean distance of ln p̂ from ln t, and the constant nearest to a set of logarithms is
their median: no other constant learnt from the window is a harder rival on the metric that gates look at. (The mean
score would be better calibrated, and weaker on LogMAE because scores are skewed.) Of a task that learns from actions it
is their rate, which has the lowest log loss.

Shapes: P candidates of a day, T tasks.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from mtmd.config import Declarations
from mtmd.errors import EvaluationError
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.metrics import Floats, Integers
from mtmd.extract.batches import day_batches
from mtmd.extract.shards import Shard
from mtmd.extract.window import mean_targets
from mtmd.model.batch import on_device
from mtmd.model.ranker import RankingModel, device_of
from mtmd.serve.scorer import Scorer

# Medians come from counts on a grid of ln t: one pass, memory that does not grow with the window, and at most
# half a step away from the exact median. Scores below e^-32 share the first cell.
_STEP = 1e-3
_CELLS = 32_000


def score_day(
    model: RankingModel, shard: Shard, declarations: Declarations, batch_requests: int = 1024
) -> NDArray[np.float32]:
    """Natural-log probabilities (P, T) float32 of every candidate, in the order of the day's candidates.

    Runs on the model's device, in evaluation mode, in which it stays, and in float32 whatever precision the model was
    trained in. NaN of a candidate that no batch holds.
    """
    shape = len(shard.request_row), len(declarations.domains.tasks)
    scores = np.full(shape, np.nan, dtype=np.float32)
    device = device_of(model.eval())
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for batch in on_device(day_batches(shard, declarations, batch_requests), device):
            scores[batch.candidate.cpu().numpy()] = model(batch).float().cpu().numpy()
    return scores


def constant_scores(
    window: Iterable[Shard], declarations: Declarations, day: HeldOutDay
) -> NDArray[np.float32]:
    """The constant's (P, T) log-probabilities for the day's candidates."""
    shards, domains = list(window), declarations.domains
    acts = np.array([task.from_actions for task in domains.tasks])
    constants = np.zeros(domains.task_mask.shape)
    if acts.any():
        rates = mean_targets(shards, declarations)
        constants = rates.where(~rates.isnan(), rates.nanmean(dim=0)).log().numpy()
    if not acts.all():
        constants = np.where(acts, constants, window_medians(shards, declarations))
    return constants.astype(np.float32)[day.domain]


def window_medians(shards: Iterable[Shard], declarations: Declarations) -> Floats:
    """ln of the median teacher score: (|domains|, T), over all days of the window, within 0.0005.

    Where a domain has no score for a task, the median over all domains stands in. Tasks that learn from actions have
    NaN. Raises EvaluationError naming a task that has no score anywhere.
    """
    names, score_tasks = declarations.domains.task_names, declarations.domains.score_tasks
    counts = np.zeros((len(declarations.domains.domains), len(names), _CELLS), dtype=np.int64)
    for shard in shards:
        domain = shard.domain(len(declarations.domains.products)).numpy()
        for task in map(names.index, score_tasks):
            counts[:, task] += _count(shard.teacher[:, task].numpy(), domain, len(counts))
    medians = _medians(counts)
    pooled = _medians(counts.sum(axis=0))
    if empty := [name for name in score_tasks if np.isnan(pooled[names.index(name)])]:
        raise EvaluationError(f"tasks {empty} have no teacher score in the window; remove them or log scores")
    return np.where(np.isnan(medians), pooled, medians)


def _count(score: NDArray[np.float32], domain: Integers, domains: int) -> Integers:
    scored = ~np.isnan(score)
    cell = np.floor(-np.log(score[scored]) / _STEP).clip(0, _CELLS - 1).astype(np.int64)
    return np.bincount(domain[scored] * _CELLS + cell, minlength=domains * _CELLS).reshape(domains, _CELLS)


def _medians(counts: Integers) -> Floats:
    """Lower and upper middle averaged, NaN where nothing was counted: (…, cells) → (…)."""
    below = counts.cumsum(axis=-1)
    total = below[..., -1:]
    lower = (below < (total + 1) // 2).sum(axis=-1)
    upper = (below < total // 2 + 1).sum(axis=-1)
    middle = -((lower + upper) / 2.0 + 0.5) * _STEP
    return np.where(total[..., 0] > 0, middle, np.nan)


def score_shard(scorer: Scorer, shard: Shard) -> NDArray[np.float32]:
    """Natural-log probabilities (P, T) of the day's candidates, in their order; NaN without the task.

    The shard must be encoded with the bundle's own declarations.
    """
    return scorer.score(
        scorer.embed_rows("query", shard.surface.numpy(), shard.query),
        scorer.embed_rows("item", shard.product.numpy(), shard.item),
        shard.request_row.numpy().astype(np.int64),
        shard.ad_row.numpy().astype(np.int64),
    )
