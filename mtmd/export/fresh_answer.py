"""Ask a bundle in a fresh process that has nothing else: a copy of its files, and no torch, shard or log."""

import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from mtmd.config import Domains
from mtmd.errors import BundleError
from mtmd.serving import BundleInfo, RankRequest, RankResponse, load_bundle
from mtmd.serving.bundle import BUNDLE_FILE

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
                [sys.executable, "-m", "mtmd.serving.answer", "."],
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
