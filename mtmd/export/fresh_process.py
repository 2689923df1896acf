"""A fresh process that has only a copy of the bundle's files publishes raw ads and answers raw requests.

It runs the code of the service: `mtmd.publish.answer` embeds and writes the ads as a publication does, and answers
bodies as `POST /rank` does. There is no torch, shard or log in that process. Shapes: R requests, A ads, T tasks.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from mtmd.config import Domains, Frozen, Preset, Slice
from mtmd.errors import BundleError, LogsError
from mtmd.export.rows import RawRows, Row, side_input
from mtmd.extract.shards import Shard
from mtmd.logs.ids import example_id, id_number
from mtmd.model.scores import tree_log_probability
from mtmd.model.two_tower import MTMD
from mtmd.publish.answer import Answered, Asked
from mtmd.registry.bundle import BUNDLE_FILE, BundleInfo, load_bundle
from mtmd.serve.http.answers import RankAnswer

_PACKAGES = Path(__file__).parents[2]
_QUOTED = 2000  # characters of its standard error


def ask(bundle_dir: Path, info: BundleInfo, rows: RawRows, timeout_s: float) -> tuple[RankAnswer, ...]:
    """An answer of the best ads by each task, all that have the task.

    Raises BundleError where the process fails, takes too long, or writes something else.
    """
    bodies = tuple(
        {"requests": rows.requests, "rank_by": task, "top_k": max(len(rows.ads), 1)}
        for task in info.declarations.domains.task_names
    )
    with tempfile.TemporaryDirectory() as place:
        for name in (BUNDLE_FILE, *(tower.file for tower in info.files)):
            shutil.copy(bundle_dir / name, place)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "mtmd.publish.answer", "."],
                input=Asked(ads=rows.ads, bodies=bodies).model_dump_json(),
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=timeout_s,
                cwd=place,
                env=os.environ | {"PYTHONPATH": str(_PACKAGES), "PYTHONUTF8": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BundleError(f"the fresh process gave no answer within {timeout_s:g} s") from error
    if done.returncode != 0:
        quoted = done.stderr[-_QUOTED:].strip()
        raise BundleError(f"the fresh process ended with status {done.returncode}: {quoted}")
    try:
        return Answered.model_validate_json(done.stdout).answers
    except ValidationError as error:
        raise BundleError(f"the fresh process gave no valid answer: {error}") from error


def check_answers(bundle_dir: Path, *, timeout_s: float = 45.0) -> str:
    """Ask a bundle about an ad of every product for a request of every surface; returns what came of it as a sentence.

    It needs no logs, which may be gone when an old model has to come back: every feature is null. That the files
    compute what they did when they were promoted is their digests' affair. Raises BundleError where the
    process gives no answer, or a score that is no probability.
    """
    info = load_bundle(bundle_dir)
    domains, ids = info.declarations.domains, info.declarations.ids
    rows = RawRows(
        requests=tuple(
            {"request_id": example_id(n, ids.request), "surface": name}
            for n, name in enumerate(domains.surfaces)
        ),
        ads=tuple(
            {"ad_id": example_id(n, ids.ad), "product": name, "bid": 0.0}
            for n, name in enumerate(domains.products)
        ),
    )
    try:
        require_probabilities(answered_scores(ask(bundle_dir, info, rows, timeout_s), rows, info), domains)
    except BundleError as error:
        raise BundleError(f"{bundle_dir} does not answer, so it can't go live: {error}") from error
    return f"a fresh process answered for {len(domains.surfaces)} surfaces × {len(domains.products)} products"


def answered_scores(answers: Sequence[RankAnswer], rows: RawRows, info: BundleInfo) -> NDArray[np.float64]:
    """(R, A, T) probabilities that the answers give, NaN where they give none.

    The answers are one per task, ranked by it: together they have every ad whose product has any task. Raises
    BundleError for an answer of another bundle or to another request, and ads that are not ranked.
    """
    tasks = info.declarations.domains.task_names
    scores = np.full((len(rows.requests), len(rows.ads), len(tasks)), np.nan)
    place = {ad["ad_id"]: number for number, ad in enumerate(rows.ads)}
    for ranked_by, answer in zip(tasks, answers, strict=True):
        if answer.bundle_id != info.bundle_id:
            raise BundleError(f"the answer is of bundle {answer.bundle_id}, not {info.bundle_id}")
        for number, (request, ranked) in enumerate(zip(rows.requests, answer.requests, strict=True)):
            asked_for = request["request_id"]
            if ranked.request_id != asked_for:
                raise BundleError(f"answer {number} is to request {ranked.request_id}, not {asked_for}")
            ranks = [ad.score for ad in ranked.ads]
            if ranks != sorted(ranks, reverse=True):
                raise BundleError(
                    f"the ads of request {asked_for} are not ranked by {ranked_by}: {ranks[:5]}"
                )
            for ad in ranked.ads:
                given = [np.nan if ad.probability[task] is None else ad.probability[task] for task in tasks]
                scores[number, place[ad.ad_id]] = given
    return scores


def require_probabilities(scores: NDArray[np.float64], domains: Domains) -> None:
    """Raise BundleError unless (surfaces, products, T) scores are probabilities just where a product has the task."""
    applies = domains.task_mask.reshape(scores.shape)
    wrong = np.argwhere(applies != ((scores >= 0.0) & (scores <= 1.0)))  # NaN is no probability
    for s, p, t in wrong:
        where = Slice(domains.surfaces[s], domains.products[p], domains.task_names[t])
        needed = "a probability" if applies[s, p, t] else "none"
        raise BundleError(f"{where} has score {scores[s, p, t]}; it must be {needed}")


class FreshProcessReport(Frozen):
    """Whether the bundle alone, in a process of its own, gives the trained model's answers."""

    bundle_id: str
    requests: int
    ads: int
    score_delta: float | None = Field(description="largest |Δ| of a probability; None without an answer")
    seconds: float = Field(description="wall clock of the process, from start to answer")
    passed: bool
    detail: str


def check_fresh_process(
    model: MTMD, bundle_dir: Path, shard: Shard, rows: RawRows, preset: Preset, *, timeout_s: float = 120.0
) -> FreshProcessReport:
    """Copy the bundle away, ask it raw rows in a new process, and compare with torch on the shard's encoding.

    So the whole way is compared: raw values, the bundle's own encoding and the files on one side, DuckDB's
    extraction and the model on the other. Every failure of the process is reported, not raised. Raises
    BundleError when the bundle or the model cannot be used at all, LogsError when a row is not in the shard.
    """
    if model.training:
        raise BundleError("the model is in training mode; call model.eval() before comparing it")
    info = load_bundle(bundle_dir)
    expected = _torch_scores(model, shard, rows, preset)
    limit, delta, problem = preset.gates.parity_score, None, None
    started = time.monotonic()
    try:
        delta = _difference(answered_scores(ask(bundle_dir, info, rows, timeout_s), rows, info), expected)
    except BundleError as error:
        problem = str(error)
    seconds = time.monotonic() - started
    if delta is not None and not delta <= limit:
        problem = f"a fresh process's scores differ from torch's by {delta:.3g}, at most {limit:g}"
    asked = f"{len(rows.requests)} requests × {len(rows.ads)} ads"
    return FreshProcessReport(
        bundle_id=info.bundle_id,
        requests=len(rows.requests),
        ads=len(rows.ads),
        score_delta=delta,
        seconds=seconds,
        passed=problem is None,
        detail=problem or f"a fresh process answered {asked}, scores within {delta:.2g}",
    )


def _difference(answered: NDArray[np.float64], expected: NDArray[np.float32]) -> float:
    """Largest |Δ| of a probability; raises BundleError where other tasks are scored."""
    if not np.array_equal(np.isnan(answered), np.isnan(expected)):
        raise BundleError("the answer scores other tasks than the declarations have for those products")
    return float(np.nanmax(np.abs(answered - expected)))


def _torch_scores(model: MTMD, shard: Shard, rows: RawRows, preset: Preset) -> NDArray[np.float32]:
    """(R, A, T) probabilities of the same rows as the shard has them; NaN where the task does not apply."""
    domains = preset.domains
    requests = _rows_of(shard.request_id, rows.requests, "request_id", shard)
    ads = _rows_of(shard.ad_id, rows.ads, "ad_id", shard)
    surface = shard.surface.numpy()[requests].astype(np.int64)
    product = shard.product.numpy()[ads].astype(np.int64)
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        # Row by row, so that their order is the body's: a batch of the model is sorted by domain.
        queries = [
            model.embed_queries(side_input(shard.query.take(row), int(index), len(domains.surfaces)))
            for row, index in zip(requests.reshape(-1, 1), surface, strict=True)
        ]
        items = [
            model.embed_items(side_input(shard.item.take(row), int(index), len(domains.products)))
            for row, index in zip(ads.reshape(-1, 1), product, strict=True)
        ]
        tasks = zip(zip(*queries, strict=True), zip(*items, strict=True), strict=True)
        logits = torch.stack([torch.cat(q) @ torch.cat(i).T for q, i in tasks], dim=-1)  # (R, A, T)
        p = tree_log_probability(logits, domains.parents).exp()
    applies = domains.task_mask[surface[:, None] * len(domains.products) + product[None, :]]
    return np.where(applies, p.numpy(), np.float32(np.nan))


def _rows_of(keys: torch.Tensor, rows: tuple[Row, ...], column: str, shard: Shard) -> NDArray[np.int64]:
    """The shard's row of each raw row; the keys are numbers of ids."""
    place = {key: row for row, key in enumerate(keys.tolist())}
    if missing := [row[column] for row in rows if id_number(row[column]) not in place]:
        raise LogsError(
            f"{column} {missing[:3]} are not in the shard of {shard.day}; sample rows of that day"
        )
    return np.array([place[id_number(row[column])] for row in rows], np.int64)
