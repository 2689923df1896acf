"""Compare the exported files with the trained model, on real held-out rows and on hard ones.

Torch runs in float32 evaluation mode, through the towers that training uses, not through the modules that were
exported. Where ads will be searched by int8, so are ads of the day, beside the search by float32.

Shapes: N rows of a file, T tasks, K_t embedding width of task t.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen, GatesConfig, Preset, SideSchema
from mtmd.evaluate.predictors import score_shard
from mtmd.extract.batches import gather_batch, scorable, split_evenly
from mtmd.extract.shards import Shard
from mtmd.logs.encoding import EncodedSide
from mtmd.model.batch import SideInput
from mtmd.model.ranker import TwoTower
from mtmd.registry.bundle import TowerSide
from mtmd.serve.published import AdBlock, PublishedAds
from mtmd.serve.ranker import ranking_by, search
from mtmd.serve.scorer import Scorer

BATCH_SIZES = (1, 2, 7, 1024)
_UNSEEN = 31  # rows of unseen ids in each file's hard rows
_BATCHES = 64  # at most so many per batch size: batches of 1 need not read all rows again
_DAY_REQUESTS = 2048  # requests of the held-out day whose ranks are compared
_INT8_REQUESTS, _INT8_ADS = 256, 1 << 16  # at most so many of the day are searched for and in
Floats = NDArray[np.float32]


class Proof(Frozen):
    """What was seen of the exported files."""

    passed: bool
    detail: str = Field(description="the largest difference, or what is wrong")
    others: tuple[str, ...] = Field((), description="what else is wrong, the largest difference first")


class Difference(Frozen):
    """How far numbers of the bundle are from torch's."""

    what: str
    delta: float = Field(description="largest |Δ|; NaN where a number is not finite")
    tolerance: float

    def __str__(self) -> str:
        """`query_search.onnx at batch size 7: embeddings differ by 0.1, at most 0.001`"""
        number = f"{self.delta:.3g}" if np.isfinite(self.delta) else "a number that is not finite"
        return f"{self.what} differ by {number}, at most {self.tolerance:g}"


def check_parity(model: TwoTower, bundle_dir: Path, shard: Shard, preset: Preset) -> Proof:
    """Embeddings of every file at every batch size, and the day's scores and ranks, against torch.

    `model` is in evaluation mode. Differences are reported, not raised: the promotion gate decides. So is a file that
    can't be run on some batch. Raises BundleError when the bundle does not load.
    """
    scorer = Scorer.load(bundle_dir)
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            files = [
                *side_differences(model, scorer, shard, preset, "query"),
                *side_differences(model, scorer, shard, preset, "item"),
            ]
            day, agreements = _day_parity(model, scorer, shard, preset)
            if preset.publication.int8:
                files.append(_int8_loss(scorer, shard))
    except Exception as error:  # noqa: BLE001 - the runtime says so of a file that takes batches of one size alone
        return Proof(passed=False, detail=str(error))
    return judged((*files, day), agreements, preset.gates.top_k)


def judged(differences: Sequence[Difference], agreements: Sequence[bool], top_k: int) -> Proof:
    """Every difference within its tolerance, and the same top k for each request and task."""
    found = [one for one in differences if not one.delta <= one.tolerance]
    # Files before the scores, which they explain; the worst first.
    found.sort(
        key=lambda one: (".onnx" in one.what, np.nan_to_num(one.delta / one.tolerance, nan=np.inf)),
        reverse=True,
    )
    failures = [str(one) for one in found]
    if lost := agreements.count(False):
        failures.append(f"top {top_k} differs in {lost} of {len(agreements)} rankings")
    if failures:
        first, *others = failures
        more = f"; {len(others)} more such" if others else ""
        return Proof(passed=False, detail=first + more, others=tuple(others))
    largest = max(differences, key=lambda one: one.delta / one.tolerance)
    return Proof(passed=True, detail=f"{largest}; top {top_k} agrees in all {len(agreements)} rankings")


def side_differences(
    model: TwoTower, scorer: Scorer, shard: Shard, preset: Preset, side: TowerSide
) -> Iterator[Difference]:
    """Each file of a side at every batch size, on its rows of the day, hard ones first."""
    schema, domain, matrices, embed = (
        (preset.declarations.query, shard.surface, shard.query, model.embed_queries)
        if side == "query"
        else (preset.declarations.item, shard.product, shard.item, model.embed_items)
    )
    hard = hard_rows(schema, _UNSEEN)
    real = max(BATCH_SIZES) - len(hard)
    for index, name in enumerate(schema.domains):
        chosen = np.flatnonzero(domain.numpy() == index)
        if count := len(chosen):  # of a day with fewer rows than the largest batch each comes more than once
            chosen = chosen[np.arange(real) * max(count, real) // real % count]
        rows = EncodedSide.stack(hard, matrices.take(chosen))
        reference = embed(side_input(rows, index, len(schema.domains)))
        for size in BATCH_SIZES:
            some = rows.take(slice(0, min(len(rows), size * _BATCHES)))
            made = scorer.embed_rows(side, np.full(len(some), index), some, at_once=size)
            deltas = [
                _delta(made.tasks[task], torchs[: len(some)].numpy())
                for task, torchs in zip(scorer.tasks, reference, strict=True)
            ]
            yield Difference(
                what=f"{scorer.info.file_of(side, name).file} at batch size {size}: embeddings",
                delta=float(np.max(deltas)),
                tolerance=preset.gates.parity_embedding,
            )


def _day_parity(
    model: TwoTower, scorer: Scorer, shard: Shard, preset: Preset
) -> tuple[Difference, Sequence[bool]]:
    """The model's own forward on real batches, against the bundle's scores, and ranks of each request and task."""
    batch_requests = min(preset.training.batch_requests, _DAY_REQUESTS)
    onnx_p = np.exp(score_shard(scorer, shard))
    deltas, agreements = [0.0], list[bool]()
    rows = scorable(shard)  # sorted by surface: even distances reach all of them
    places = torch.linspace(0, len(rows) - 1, min(len(rows), _DAY_REQUESTS)).round().long()
    for chosen in split_evenly(rows[places], batch_requests):
        batch = gather_batch(shard, chosen, preset.declarations)
        exported = onnx_p[batch.candidate.numpy()]
        applies = ~np.isnan(exported)
        reference = np.where(applies, model(batch).exp().numpy(), np.float32(np.nan))
        deltas.append(_delta(exported[applies], reference[applies]))
        start = np.flatnonzero(np.diff(batch.pair_query.numpy(), prepend=-1))
        for ours, torchs in zip(np.split(exported, start[1:]), np.split(reference, start[1:]), strict=True):
            agreements += _agree(ours, torchs, preset.gates.top_k, preset.gates.parity_score)
    what, tolerance = "held-out candidates: scores", preset.gates.parity_score
    return Difference(what=what, delta=float(np.max(deltas)), tolerance=tolerance), agreements


def _int8_loss(scorer: Scorer, shard: Shard) -> Difference:
    """The share of a request's best ads that the search by int8 misses, of the worst task; what ties is not missed."""
    domains, k = scorer.info.declarations.domains, GatesConfig.int8_ads
    requests, ads = (
        np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(np.int64))
        for rows, most in ((len(shard.surface), _INT8_REQUESTS), (len(shard.product), _INT8_ADS))
    )
    queries = scorer.embed_rows("query", shard.surface.numpy()[requests], shard.query.take(requests)).tasks
    product = shard.product.numpy()[ads]
    items = scorer.embed_rows("item", product, shard.item.take(ads)).tasks
    blocks = []
    for index, name in enumerate(domains.products):
        rows = np.flatnonzero(product == index)
        tasks = {task.name: items[task.name][rows] for task in domains.tasks if domains.has_task(name, task)}
        blocks.append(AdBlock(name, rows, tasks, np.ones(len(rows), np.float32)))
    exact = PublishedAds(tuple(blocks))
    int8 = PublishedAds(tuple(block.with_int8() for block in blocks))
    missed = [0.0]
    for task in domains.task_names:
        ranking = ranking_by(domains, task)
        (best, scores), (found, last) = (search(queries, given, ranking, k) for given in (exact, int8))
        ties = scores <= last[:, -1:] + GatesConfig.parity_score
        there = [np.isin(own, near) for own, near in zip(best, found, strict=True)]
        missed.append(float(np.mean(~(ties | there))))
    what, tolerance = f"the best {k} ads by int8 and by float32", GatesConfig.int8_loss
    return Difference(what=what, delta=max(missed), tolerance=tolerance)


def _agree(exported: Floats, reference: Floats, k: int, tolerance: float) -> Iterator[bool]:
    """Whether both top k agree up to ties, of each task that the request's ads have; (n, T) probabilities.

    Rank by rank, the ad that the bundle puts there has, by torch, the score of the ad that torch puts there,
    within the tolerance: ads that swap ranks are ties.
    """
    for task in range(exported.shape[1]):
        scored = ~np.isnan(exported[:, task])
        if not scored.any():
            continue
        truth = reference[scored, task]
        mine = np.argsort(-exported[scored, task], kind="stable")[:k]
        theirs = np.argsort(-truth, kind="stable")[:k]
        yield bool(np.all(np.abs(truth[mine] - truth[theirs]) <= tolerance))


def _delta(a: Floats, b: Floats) -> float:
    """Largest |a − b|, 0 of nothing."""
    return float(np.abs(a - b).max(initial=0.0))


def side_input(side: EncodedSide, domain: int, domains: int) -> SideInput:
    """All rows as rows of one domain, for a torch model."""
    rows = len(side)
    return SideInput.of(side, tuple(rows if index == domain else 0 for index in range(domains)))


def hard_rows(schema: SideSchema, unseen: int) -> EncodedSide:
    """What no shard is sure to have: one row with everything missing, and `unseen` rows as each kind makes them."""
    return EncodedSide.filled(schema, 1 + unseen, lambda feature: feature.hard_rows(unseen))
