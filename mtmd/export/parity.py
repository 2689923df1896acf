"""Compare the exported files with the trained model, on real held-out rows and on hard ones.

Torch runs in float32 evaluation mode, through the towers that training uses, not through the modules that were
exported. `ParityReport` is the result.

Shapes: N rows of a file, T tasks, K_t embedding width of task t.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen, GatesConfig, Preset, SideSchema
from mtmd.errors import BundleError
from mtmd.evaluate.predictors import score_shard
from mtmd.extract.shards import Shard
from mtmd.extract.window import gather_batch, scorable, split_evenly
from mtmd.logs.encoding import EncodedSide
from mtmd.model.batch import SideInput
from mtmd.model.two_tower import MTMD
from mtmd.registry.bundle import TowerSide
from mtmd.serve.scorer import Scorer

PROOF_FORMAT = 3  # raise it whenever the same files would be checked, or served, in another way
BATCH_SIZES = (1, 2, 7, 1024)
_UNSEEN = 31  # rows of unseen ids in each file's hard rows
_BATCHES = 64  # at most so many per batch size: batches of 1 need not read all rows again
_DAY_REQUESTS = 2048  # requests of the held-out day whose ranks are compared
Floats = NDArray[np.float32]


class FileParity(Frozen):
    """One file at one batch size, against torch."""

    file: str
    batch_size: int
    rows: int = Field(description="rows embedded: real ones, unseen ids, and one with everything missing")
    delta: float | None = Field(description="largest |Δ| of an embedding's number; None when not finite")


class DayParity(Frozen):
    """Real candidates of the held-out day, from the model's own forward to the bundle's score and ranks."""

    candidates: int
    delta: float | None = Field(description="largest |Δ| of a probability; None when not finite")
    rankings: int = Field(description="(request, task) pairs whose top k was compared")
    disagreements: int = Field(description="rankings that differ by more than ties within the tolerance")


class ParityReport(Frozen):
    """Whether the exported files compute what the trained model computes."""

    bundle_id: str
    files: tuple[FileParity, ...]
    day: DayParity | None
    passed: bool
    worst: str = Field(description="the worst case of all, in words")

    @classmethod
    def judge(cls, bundle_id: str, gates: GatesConfig, files: tuple[FileParity, ...], day: DayParity) -> Self:
        """Compare every number with its tolerance."""
        failures = list(_failures(gates, files, day))
        worst = max(files, key=lambda file: file.delta or 0.0)
        sound = (
            f"embeddings differ by at most {worst.delta or 0.0:.2g} ({worst.file} at batch size {worst.batch_size}), "
            f"scores by at most {day.delta or 0.0:.2g}, top {gates.top_k} agrees in all {day.rankings} rankings"
        )
        words = "; ".join(failures) or sound
        return cls(bundle_id=bundle_id, files=files, day=day, passed=not failures, worst=words)


def check_parity(model: MTMD, bundle_dir: Path, shard: Shard, preset: Preset) -> ParityReport:
    """Embeddings of every file at every batch size, and the day's scores and ranks, against torch.

    `model` is in evaluation mode. Deltas are reported, not raised: the promotion gate decides. So is a file that can't
    be run on some batch. Raises BundleError when the bundle does not load.
    """
    scorer, domains = Scorer.load(bundle_dir), preset.domains
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            files = [
                parity
                for side, names in (("query", domains.surfaces), ("item", domains.products))
                for index in range(len(names))
                for parity in _file_parity(
                    model, scorer, shard, preset, "query" if side == "query" else "item", index
                )
            ]
            day = _day_parity(model, scorer, shard, preset)
    except BundleError as error:  # such as a file that takes batches of one size alone
        return ParityReport(
            bundle_id=scorer.info.bundle_id, files=(), day=None, passed=False, worst=str(error)
        )
    return ParityReport.judge(scorer.info.bundle_id, preset.gates, tuple(files), day)


def _file_parity(
    model: MTMD, scorer: Scorer, shard: Shard, preset: Preset, side: TowerSide, index: int
) -> Iterator[FileParity]:
    """One tower domain at every batch size, on its rows of the day, hard ones first."""
    schema, domain, matrices, embed = (
        (preset.declarations.query, shard.surface, shard.query, model.embed_queries)
        if side == "query"
        else (preset.declarations.item, shard.product, shard.item, model.embed_items)
    )
    hard = hard_rows(schema, _UNSEEN)
    real = max(BATCH_SIZES) - len(hard)
    chosen = np.flatnonzero(domain.numpy() == index)
    if count := len(chosen):  # a day with fewer rows than the largest batch gives each of them more than once
        chosen = chosen[np.arange(real) * max(count, real) // real % count]
    rows = EncodedSide.stack(hard, matrices.take(chosen))
    reference = embed(side_input(rows, index, len(schema.domains)))
    name = schema.domains[index]
    for size in BATCH_SIZES:
        some = rows.take(slice(0, min(len(rows), size * _BATCHES)))
        made = scorer.embed_rows(side, np.full(len(some), index), some, at_once=size)
        deltas = [
            _delta(made.tasks[task], torchs[: len(some)].numpy())
            for task, torchs in zip(scorer.tasks, reference, strict=True)
        ]
        yield FileParity(
            file=scorer.info.file_of(side, name).file, batch_size=size, rows=len(some), delta=_largest(deltas)
        )


def _day_parity(model: MTMD, scorer: Scorer, shard: Shard, preset: Preset) -> DayParity:
    """The model's own forward on real batches, against the bundle's scores and ranks."""
    batch_requests = min(preset.training.batch_requests, _DAY_REQUESTS)
    onnx_p = np.exp(score_shard(scorer, shard))
    deltas: list[float | None] = [0.0]
    agreements: list[bool] = []
    candidates = 0
    rows = scorable(shard)  # sorted by surface: even distances reach all of them
    places = torch.linspace(0, len(rows) - 1, min(len(rows), _DAY_REQUESTS)).round().long()
    for chosen in split_evenly(rows[places], batch_requests):
        batch = gather_batch(shard, chosen, preset.declarations)
        exported = onnx_p[batch.candidate.numpy()]
        applies = ~np.isnan(exported)
        reference = np.where(applies, model(batch).exp().numpy(), np.float32(np.nan))
        deltas.append(_delta(exported[applies], reference[applies]))
        candidates += len(exported)
        start = np.flatnonzero(np.diff(batch.pair_query.numpy(), prepend=-1))
        for ours, torchs in zip(np.split(exported, start[1:]), np.split(reference, start[1:]), strict=True):
            agreements += _agree(ours, torchs, preset.gates.top_k, preset.gates.parity_score)
    return DayParity(
        candidates=candidates,
        delta=_largest(deltas),
        rankings=len(agreements),
        disagreements=agreements.count(False),
    )


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


def _delta(a: Floats, b: Floats) -> float | None:
    """Largest |a − b|; None when it is not finite, 0 of nothing."""
    delta = float(np.abs(a - b).max(initial=0.0)) if a.size else 0.0
    return delta if np.isfinite(delta) else None


def _largest(deltas: Sequence[float | None]) -> float | None:
    finite = [delta for delta in deltas if delta is not None]
    return max(finite) if len(finite) == len(deltas) else None


def _failures(gates: GatesConfig, files: tuple[FileParity, ...], day: DayParity) -> Iterator[str]:
    compared = [
        (f"{file.file} at batch size {file.batch_size}: embeddings", file.delta, gates.parity_embedding)
        for file in files
    ]
    for what, delta, tolerance in (*compared, ("held-out candidates: scores", day.delta, gates.parity_score)):
        if delta is None or delta > tolerance:
            number = "a number that is not finite" if delta is None else f"{delta:.3g}"
            yield f"{what} differ by {number}, at most {tolerance:g}"
    if day.disagreements:
        yield f"top {gates.top_k} differs in {day.disagreements} of {day.rankings} rankings"


def side_input(side: EncodedSide, domain: int, domains: int) -> SideInput:
    """All rows as rows of one domain, for a torch model."""
    rows = len(side)
    return SideInput.of(side, tuple(rows if index == domain else 0 for index in range(domains)))


def hard_rows(schema: SideSchema, unseen: int) -> EncodedSide:
    """What no shard is sure to have: one row with everything missing, and `unseen` rows as each kind makes them."""
    return EncodedSide.filled(schema, 1 + unseen, lambda feature: feature.hard_rows(unseen))
