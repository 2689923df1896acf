"""Compare the exported files with the trained model, on real held-out rows and on hard ones.

Torch runs in float32 evaluation mode, through the towers that training uses, not through the modules that were
exported. `ParityReport` is the result.

Shapes: N rows of a file, M rows of the other side, T tasks, K_t embedding width of task t.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen, GatesConfig, Preset
from mtmd.errors import BundleError
from mtmd.evaluate.predictors import score_shard
from mtmd.export.rows import hard_rows, side_input
from mtmd.extract.shards import Shard
from mtmd.extract.window import gather_batch, scorable, split_evenly
from mtmd.logs.encoding import EncodedSide
from mtmd.model.scores import tree_log_probability
from mtmd.model.two_tower import MTMD
from mtmd.registry.bundle import TowerSide
from mtmd.serve.scorer import Scorer

PROOF_FORMAT = 2  # raise it whenever the same files would be checked, or served, in another way
BATCH_SIZES = (1, 2, 7, 1024)
_UNSEEN = 31  # rows of unseen ids in each file's hard rows
_BATCHES = 64  # at most so many per batch size: batches of 1 need not read all rows again
_PARTNERS = 32  # rows of each domain of the other side that every row is scored against
_DAY_REQUESTS = 2048  # requests of the held-out day whose ranks are compared
Floats = NDArray[np.float32]


class FileParity(Frozen):
    """One file at one batch size, against torch."""

    file: str
    batch_size: int
    rows: int = Field(description="rows embedded: real ones, unseen ids, and one with everything missing")
    scores: int = Field(description="probabilities compared: rows × rows of the other side × tasks")
    embedding_delta: float | None = Field(description="largest |Δ| of a component; None when not finite")
    score_delta: float | None = Field(description="largest |Δ| of a probability; None when not finite")


class DayParity(Frozen):
    """Real candidates of the held-out day, from the model's own forward to the bundle's score and ranks."""

    candidates: int
    score_delta: float | None = Field(description="largest |Δ| of a probability; None when not finite")
    rankings: int = Field(description="(request, task) pairs whose top k was compared")
    top_k: int
    disagreements: int = Field(description="rankings that differ by more than ties within the tolerance")
    identical: int = Field(description="rankings that are the same ad by ad")


class ParityReport(Frozen):
    """Whether the exported files compute what the trained model computes."""

    bundle_id: str
    score_tolerance: float
    embedding_tolerance: float
    files: tuple[FileParity, ...]
    day: DayParity
    passed: bool
    worst: str = Field(description="the worst case of all, in words")

    @classmethod
    def judge(cls, bundle_id: str, gates: GatesConfig, files: tuple[FileParity, ...], day: DayParity) -> Self:
        """Compare every number with its tolerance."""
        failures = list(_failures(gates, files, day))
        return cls(
            bundle_id=bundle_id,
            score_tolerance=gates.parity_score,
            embedding_tolerance=gates.parity_embedding,
            files=files,
            day=day,
            passed=not failures,
            worst="; ".join(failures) if failures else _worst(files, day),
        )

    @classmethod
    def failed(cls, bundle_id: str, gates: GatesConfig, why: str) -> Self:
        """Of files that could not be compared to the end."""
        return cls(
            bundle_id=bundle_id,
            score_tolerance=gates.parity_score,
            embedding_tolerance=gates.parity_embedding,
            files=(),
            day=DayParity(
                candidates=0, score_delta=None, rankings=0, top_k=gates.top_k, disagreements=0, identical=0
            ),
            passed=False,
            worst=why,
        )


def check_parity(model: MTMD, bundle_dir: Path, shard: Shard, preset: Preset) -> ParityReport:
    """Embeddings and probabilities of every file at every batch size, and the day's ranks, against torch.

    Deltas are reported, not raised: the promotion gate decides. So is a file that can't be run on some batch. Raises
    BundleError when the bundle does not load, or the model is in training mode.
    """
    if model.training:
        raise BundleError("the model is in training mode; call model.eval() before comparing it")
    scorer = Scorer.load(bundle_dir)
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            towers = [
                _tower(model, scorer, shard, preset, side=side, index=index)
                for side, index in _domains(preset)
            ]
            files = [parity for tower in towers for parity in _file_parity(tower, towers, scorer)]
            day = _day_parity(model, scorer, shard, preset)
    except BundleError as error:  # such as a file that takes batches of one size alone
        return ParityReport.failed(scorer.info.bundle_id, preset.gates, str(error))
    return ParityReport.judge(scorer.info.bundle_id, preset.gates, tuple(files), day)


@dataclass(frozen=True)
class _Tower:
    """One tower domain: its rows, hard ones first, and both sides' embeddings of them, per task (N, K_t)."""

    side: TowerSide
    domain: str
    rows: EncodedSide
    torch: tuple[Floats, ...]
    onnx: tuple[Floats, ...]


def _domains(preset: Preset) -> Iterator[tuple[TowerSide, int]]:
    yield from (("query", index) for index in range(len(preset.domains.surfaces)))
    yield from (("item", index) for index in range(len(preset.domains.products)))


def _tower(
    model: MTMD, scorer: Scorer, shard: Shard, preset: Preset, *, side: TowerSide, index: int
) -> _Tower:
    declarations = preset.declarations
    schema, domain, matrices, embed = (
        (declarations.query, shard.surface, shard.query, model.embed_queries)
        if side == "query"
        else (declarations.item, shard.product, shard.item, model.embed_items)
    )
    domain_rows = np.flatnonzero(domain.numpy() == index)
    hard = hard_rows(schema, _UNSEEN)
    real = max(BATCH_SIZES) - len(hard.categorical)
    # A day with fewer rows than the largest batch gives each of them more than once.
    chosen = domain_rows
    if count := len(domain_rows):
        chosen = domain_rows[np.arange(real) * max(count, real) // real % count]
    rows = EncodedSide.stack(hard, matrices.take(chosen))
    reference = embed(side_input(rows, index, len(schema.domains)))
    name = schema.domains[index]
    return _Tower(
        side=side,
        domain=name,
        rows=rows,
        torch=tuple(tensor.numpy() for tensor in reference),
        onnx=_embed(scorer, side, name, rows, max(BATCH_SIZES)),
    )


def _embed(scorer: Scorer, side: TowerSide, domain: str, rows: EncodedSide, size: int) -> tuple[Floats, ...]:
    """Embeddings of the first rows, `size` at a time, at most _BATCHES times: per task (N, K_t)."""
    count = min(len(rows.categorical), size * _BATCHES)
    batches = [
        scorer.embed(side, domain, rows.part(slice(at, min(at + size, count))))
        for at in range(0, count, size)
    ]
    return tuple(np.concatenate([batch.tasks[task] for batch in batches]) for task in scorer.tasks)


def _file_parity(tower: _Tower, towers: Sequence[_Tower], scorer: Scorer) -> Iterator[FileParity]:
    """One file at every batch size, scored against rows of every domain of the other side."""
    others = [other for other in towers if other.side != tower.side]
    torch_other = [_partners([other.torch[t] for other in others]) for t in range(len(scorer.tasks))]
    onnx_other = [_partners([other.onnx[t] for other in others]) for t in range(len(scorer.tasks))]
    parents = scorer.info.declarations.domains.parents
    for size in BATCH_SIZES:
        exported = _embed(scorer, tower.side, tower.domain, tower.rows, size)
        count = len(exported[0])
        reference = [embedding[:count] for embedding in tower.torch]
        p = _probabilities(exported, onnx_other, parents)
        yield FileParity(
            file=scorer.info.file_of(tower.side, tower.domain).file,
            batch_size=size,
            rows=count,
            scores=p.size,
            embedding_delta=_largest([_delta(a, b) for a, b in zip(exported, reference, strict=True)]),
            score_delta=_delta(p, _probabilities(reference, torch_other, parents)),
        )


def _partners(embeddings: Sequence[Floats]) -> Floats:
    """Rows of every domain of the other side: two hard ones, then real ones. (M, K_t)"""
    return np.concatenate([np.delete(e, np.arange(2, 1 + _UNSEEN), axis=0)[:_PARTNERS] for e in embeddings])


def _probabilities(
    embeddings: Sequence[Floats], other: Sequence[Floats], parents: Sequence[int | None]
) -> NDArray[np.float32]:
    """(N, M, T); the tree is torch's here, so that only the files differ. The twin is compared by the day."""
    logits = torch.stack(
        [torch.from_numpy(a) @ torch.from_numpy(b).T for a, b in zip(embeddings, other, strict=True)]
    )
    flat = tree_log_probability(logits.flatten(1).T, parents).exp()  # (N · M, T)
    return flat.numpy().reshape(*logits.shape[1:], len(parents))


def _day_parity(model: MTMD, scorer: Scorer, shard: Shard, preset: Preset) -> DayParity:
    """The model's own forward on real batches, against the bundle's scores and ranks."""
    batch_requests = min(preset.training.batch_requests, _DAY_REQUESTS)
    onnx_p = np.exp(score_shard(scorer, shard))
    delta: list[float | None] = [0.0]
    outcomes: list[tuple[bool, bool]] = []
    candidates = 0
    rows = scorable(shard)  # sorted by surface: even distances reach all of them
    places = torch.linspace(0, len(rows) - 1, min(len(rows), _DAY_REQUESTS)).round().long()
    for chosen in split_evenly(rows[places], batch_requests):
        batch = gather_batch(shard, chosen, preset.declarations)
        exported = onnx_p[batch.candidate.numpy()]
        applies = ~np.isnan(exported)
        reference = np.where(applies, model(batch).exp().numpy(), np.float32(np.nan))
        delta.append(_delta(exported[applies], reference[applies]))
        candidates += len(exported)
        start = np.flatnonzero(np.diff(batch.pair_query.numpy(), prepend=-1))
        for ours, torchs in zip(np.split(exported, start[1:]), np.split(reference, start[1:]), strict=True):
            outcomes += _rank(ours, torchs, preset.gates.top_k, preset.gates.parity_score)
    return DayParity(
        candidates=candidates,
        score_delta=_largest(delta),
        rankings=len(outcomes),
        top_k=preset.gates.top_k,
        disagreements=sum(not agrees for agrees, _ in outcomes),
        identical=sum(same for _, same in outcomes),
    )


def _rank(exported: Floats, reference: Floats, k: int, tolerance: float) -> Iterator[tuple[bool, bool]]:
    """(agrees up to ties, the same ad by ad) of each task that the request's ads have; (n, T) probabilities.

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
        yield bool(np.all(np.abs(truth[mine] - truth[theirs]) <= tolerance)), np.array_equal(mine, theirs)


def _delta(a: Floats, b: Floats) -> float | None:
    """Largest |a − b|; None when it is not finite, 0 of nothing."""
    delta = float(np.abs(a - b).max(initial=0.0)) if a.size else 0.0
    return delta if np.isfinite(delta) else None


def _largest(deltas: Sequence[float | None]) -> float | None:
    finite = [delta for delta in deltas if delta is not None]
    return max(finite) if len(finite) == len(deltas) else None


def _failures(gates: GatesConfig, files: tuple[FileParity, ...], day: DayParity) -> list[str]:
    failures: list[str] = []

    def compare(what: str, delta: float | None, tolerance: float) -> None:
        if delta is None or delta > tolerance:
            number = "a number that is not finite" if delta is None else f"{delta:.3g}"
            failures.append(f"{what} differ by {number}, at most {tolerance:g}")

    for file in files:
        where = f"{file.file} at batch size {file.batch_size}"
        compare(f"{where}: scores", file.score_delta, gates.parity_score)
        compare(f"{where}: embeddings", file.embedding_delta, gates.parity_embedding)
    compare("held-out candidates: scores", day.score_delta, gates.parity_score)
    if day.disagreements:
        failures.append(f"top {day.top_k} differs in {day.disagreements} of {day.rankings} rankings")
    return failures


def _worst(files: tuple[FileParity, ...], day: DayParity) -> str:
    worst = max(files, key=lambda file: file.score_delta or 0.0)
    return (
        f"scores differ by at most {max(worst.score_delta or 0.0, day.score_delta or 0.0):.2g} "
        f"({worst.file} at batch size {worst.batch_size} is the worst file), top {day.top_k} agrees in all "
        f"{day.rankings} rankings"
    )
