"""Ask a bundle in a fresh process that has nothing else: a copy of its files, and no torch, shard or log.

A fresh process with only the bundle answers raw requests as the trained model does (design §8)."""

import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from mtmd.config import Domains, Frozen, Preset
from mtmd.errors import BundleError, LogsError
from mtmd.export.rows import RawRows, Row, side_input
from mtmd.extract.shards import Shard, take
from mtmd.model.scores import tree_log_probability
from mtmd.model.two_tower import MTMD
from mtmd.registry.bundle import BUNDLE_FILE, BundleInfo, load_bundle
from mtmd.serve.requests import RankRequest, RankResponse

_PACKAGES = Path(__file__).parents[2]
_QUOTED = 2000  # characters of its standard error


def ask(
    bundle_dir: Path, info: BundleInfo, question: RankRequest, timeout_s: float
) -> tuple[RankResponse | None, str | None]:
    """The answer, or what went wrong."""
    with tempfile.TemporaryDirectory() as place:
        for name in (BUNDLE_FILE, *(tower.file for tower in info.files)):
            shutil.copy(bundle_dir / name, place)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "mtmd.serve.answer", "."],
                input=question.model_dump_json(),
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=timeout_s,
                cwd=place,
                env=os.environ | {"PYTHONPATH": str(_PACKAGES), "PYTHONUTF8": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"the fresh process gave no answer within {timeout_s:g} s"
    if done.returncode != 0:
        return (
            None,
            f"the fresh process ended with status {done.returncode}: {done.stderr[-_QUOTED:].strip()}",
        )
    try:
        return RankResponse.model_validate_json(done.stdout), None
    except ValidationError as error:
        return None, f"the fresh process gave no valid answer: {error}"


def check_answers(bundle_dir: Path, *, timeout_s: float = 45.0) -> str:
    """Ask a bundle about an ad of every product for a request of every surface; returns what came of it in words.

    It needs no logs, which may be gone when an old model has to come back: every feature is null. That the files
    compute what they did when they were promoted is their digests' affair. Raises BundleError where the
    process gives no answer, or a score that is no probability.
    """
    info = load_bundle(bundle_dir)
    domains = info.declarations.domains
    question = RankRequest(
        requests=tuple({"request_id": n, "surface": name} for n, name in enumerate(domains.surfaces)),
        ads=tuple({"ad_id": n, "product": name} for n, name in enumerate(domains.products)),
    )
    answer, problem = ask(bundle_dir, info, question, timeout_s)
    problem = problem or (_flaw(answer, info.bundle_id, domains) if answer else None)
    if problem:
        raise BundleError(f"{bundle_dir} does not answer, so it can't go live: {problem}")
    return f"a fresh process answered for {len(domains.surfaces)} surfaces × {len(domains.products)} products"


def _flaw(answer: RankResponse, bundle_id: str, domains: Domains) -> str | None:
    """What is wrong with an answer, if anything."""
    if answer.bundle_id != bundle_id:
        return f"the answer is of bundle {answer.bundle_id}, not {bundle_id}"
    for s, request in enumerate(answer.requests):
        for t, task in enumerate(domains.task_names):
            for p, score in enumerate(request.scores[task]):
                applies = bool(domains.task_mask[s * len(domains.products) + p, t])
                sound = score is not None and math.isfinite(score) and 0.0 <= score <= 1.0
                if applies != sound:
                    where = f"{domains.surfaces[s]} × {domains.products[p]} × {task}"
                    return f"{where} has score {score}; it must be {'a probability' if applies else 'none'}"
    return None


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
    started = time.monotonic()
    question = RankRequest(requests=rows.requests, ads=rows.ads)
    answer, problem = ask(bundle_dir, info, question, timeout_s)
    seconds = time.monotonic() - started
    delta = None
    if answer is not None:
        delta, problem = _compare(answer, expected, info.bundle_id, preset)
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


def _compare(
    answer: RankResponse, expected: NDArray[np.float32], bundle_id: str, preset: Preset
) -> tuple[float | None, str | None]:
    """Largest difference of a probability, and what is wrong, if anything."""
    if answer.bundle_id != bundle_id:
        return None, f"the answer is of bundle {answer.bundle_id}, not {bundle_id}"
    found = np.array(
        [[own.scores[task] for task in preset.domains.task_names] for own in answer.requests], np.float64
    ).transpose(0, 2, 1)  # (R, A, T), None as NaN
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return None, "the answer scores other tasks than the declarations have for those products"
    delta = float(np.nanmax(np.abs(found - expected)))
    limit = preset.gates.parity_score
    if not delta <= limit:
        return delta, f"a fresh process's scores differ from torch's by {delta:.3g}, at most {limit:g}"
    return delta, None


def _torch_scores(model: MTMD, shard: Shard, rows: RawRows, preset: Preset) -> NDArray[np.float32]:
    """(R, A, T) probabilities of the same rows as the shard has them; NaN where the task does not apply."""
    domains = preset.domains
    requests = _rows_of(shard.request_id, rows.requests, "request_id", shard)
    ads = _rows_of(shard.ad_id, rows.ads, "ad_id", shard)
    surface = shard.surface.numpy()[requests].astype(np.int64)
    product = shard.product.numpy()[ads].astype(np.int64)
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        # Row by row, so that their order is the question's: a batch of the model is sorted by domain.
        queries = [
            model.embed_queries(side_input(take(shard.query, row), int(own), len(domains.surfaces)))
            for row, own in zip(requests.reshape(-1, 1), surface, strict=True)
        ]
        items = [
            model.embed_items(side_input(take(shard.item, row), int(own), len(domains.products)))
            for row, own in zip(ads.reshape(-1, 1), product, strict=True)
        ]
        tasks = zip(zip(*queries, strict=True), zip(*items, strict=True), strict=True)
        logits = torch.stack([torch.cat(q) @ torch.cat(i).T for q, i in tasks], dim=-1)  # (R, A, T)
        p = tree_log_probability(logits, domains.parents).exp()
    applies = domains.task_mask[surface[:, None] * len(domains.products) + product[None, :]]
    return np.where(applies, p.numpy(), np.float32(np.nan))


def _rows_of(keys: torch.Tensor, rows: tuple[Row, ...], column: str, shard: Shard) -> NDArray[np.int64]:
    """The shard's row of each raw row."""
    place = {key: row for row, key in enumerate(keys.tolist())}
    if missing := [row[column] for row in rows if row[column] not in place]:
        raise LogsError(
            f"{column} {missing[:3]} are not in the shard of {shard.day}; sample rows of that day"
        )
    return np.array([place[row[column]] for row in rows], np.int64)
