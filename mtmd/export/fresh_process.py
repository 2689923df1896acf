"""A fresh process that has only a copy of the bundle's files publishes raw ads and answers raw requests.

It runs the code of the service: `mtmd.publish.answer` embeds and writes the ads as a publication does, and answers
bodies as `POST /rank` does. There is no torch, shard or log in that process. Shapes: R requests, A ads, T tasks.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Declarations, Domains, Frozen, Preset, Slice
from mtmd.errors import BundleError, LogsError
from mtmd.export.parity import Proof
from mtmd.extract.shards import Shard
from mtmd.extract.sources import source_rows
from mtmd.features.feature import LONGEST_TEXT
from mtmd.logs.contract import example_id, id_number
from mtmd.logs.source import LogSource
from mtmd.publish.answer import ANSWERS, Asked
from mtmd.registry.bundle import BUNDLE_FILE, BundleInfo, load_bundle
from mtmd.serve.http.answers import RankAnswer
from mtmd.serve.ranker import Row
from mtmd.serve.scorer import Scorer
from mtmd.store.files import writing

_PACKAGES = Path(__file__).parents[2]
_QUOTED = 2000  # characters of its standard error


class RawRows(Frozen):
    """Requests and ads with the raw values of their features, ready to be JSON (a NaN is a null)."""

    requests: tuple[Row, ...] = Field(description="`request_id`, `surface` and the query features")
    ads: tuple[Row, ...] = Field(description="`ad_id`, `product`, `bid` and the item features")


def sample_raw_rows(
    source: LogSource, shard: Shard, declarations: Declarations, *, per_domain: int = 4
) -> RawRows:
    """Some rows of every surface and every product of the shard's day, read from its log files.

    Those with a text that the service refuses are left out.
    """

    def read(
        table: str, keys: torch.Tensor, domain: torch.Tensor, columns: tuple[str, ...]
    ) -> tuple[Row, ...]:
        domains = sorted(set(domain.tolist()))
        chosen = [key for index in domains for key in keys[domain == index][:per_domain].tolist()]
        rows = source_rows(source, table, shard.day, declarations, columns[0], chosen)
        taken = (row for row in rows if all(len(text) <= LONGEST_TEXT for text in _texts(row)))
        return tuple({name: _plain(row[name]) for name in dict.fromkeys(columns)} for row in taken)

    query, item = ("request_id", "surface"), ("ad_id", "product", "bid")
    return RawRows(
        requests=read("requests", shard.request_id, shard.surface, (*query, *declarations.query.columns)),
        ads=read("ads", shard.ad_id, shard.product, (*item, *declarations.item.columns)),
    )


def _texts(row: Row) -> Iterator[str]:
    for value in row.values():
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _plain(value: Any) -> Any:
    """JSON has no NaN; a vector that lacks a component is missing as a whole, as `mtmd.logs.encoding` has it."""
    if isinstance(value, list):
        vector = [_plain(component) for component in value]
        return None if None in vector else vector
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN differs from itself


def _ask(bundle_dir: Path, info: BundleInfo, rows: RawRows, timeout_s: float) -> tuple[RankAnswer, ...]:
    """An answer of the best ads by each task, all that have the task.

    Raises BundleError where the process fails or takes too long.
    """
    bodies = tuple(
        {"requests": rows.requests, "rank_by": task, "top_k": max(len(rows.ads), 1)}
        for task in info.declarations.domains.task_names
    )
    with tempfile.TemporaryDirectory() as place:
        with writing(Path(place)):
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
    return ANSWERS.validate_json(done.stdout)


def answered_scores(answers: Sequence[RankAnswer], rows: RawRows, info: BundleInfo) -> NDArray[np.float64]:
    """(R, A, T) probabilities of the answers: one where the ad's product has the task, NaN elsewhere.

    The answers are one per task, ranked by it: together they have every ad whose product has any task. Raises
    BundleError for a score that is none.
    """
    domains = info.declarations.domains
    tasks = domains.task_names
    scores = np.full((len(rows.requests), len(rows.ads), len(tasks)), np.nan)
    place = {ad["ad_id"]: number for number, ad in enumerate(rows.ads)}
    for answer in answers:
        for number, ranked in enumerate(answer.requests):
            for ad in ranked.ads:
                given = [np.nan if ad.probability[task] is None else ad.probability[task] for task in tasks]
                scores[number, place[ad.ad_id]] = given
    _require_probabilities(scores, rows, domains)
    return scores


def _require_probabilities(scores: NDArray[np.float64], rows: RawRows, domains: Domains) -> None:
    """Raise BundleError unless (R, A, T) scores are probabilities just where an ad's product has the task."""
    pairs = [
        domains.surfaces.index(request["surface"]) * len(domains.products)
        + domains.products.index(ad["product"])
        for request in rows.requests
        for ad in rows.ads
    ]
    applies = domains.task_mask[pairs].reshape(scores.shape)
    wrong = np.argwhere(applies != ((scores >= 0.0) & (scores <= 1.0)))  # NaN is no probability
    for request, ad, task in wrong:
        where = Slice(rows.requests[request]["surface"], rows.ads[ad]["product"], domains.task_names[task])
        needed = "a probability" if applies[request, ad, task] else "none"
        raise BundleError(f"{where} has score {scores[request, ad, task]}; it must be {needed}")


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
        answered_scores(_ask(bundle_dir, info, rows, timeout_s), rows, info)
    except BundleError as error:
        raise BundleError(f"{bundle_dir} does not answer, so it can't go live: {error}") from error
    return f"a fresh process answered for {len(domains.surfaces)} surfaces × {len(domains.products)} products"


def check_fresh_process(
    bundle_dir: Path, shard: Shard, rows: RawRows, preset: Preset, *, timeout_s: float = 120.0
) -> Proof:
    """Copy the bundle away, ask it raw rows in a new process, and compare with the files on the shard's encoding.

    So raw values and the bundle's own encoding are on one side, DuckDB's extraction on the other; that the files
    compute what the trained model does is the parity's affair. Every failure of the process is reported, not raised.
    Raises BundleError when the bundle cannot be used at all, LogsError when a row is not in the shard.
    """
    scorer, limit = Scorer.load(bundle_dir), preset.gates.parity_score
    expected = _expected(scorer, shard, rows)
    try:
        answered = answered_scores(_ask(bundle_dir, scorer.info, rows, timeout_s), rows, scorer.info)
    except BundleError as error:
        return Proof(passed=False, detail=str(error))
    delta = float(np.nanmax(np.abs(answered - expected)))
    if not delta <= limit:
        return Proof(
            passed=False,
            detail=f"a fresh process's scores differ from those of the shard's rows by {delta:.3g}, at most {limit:g}",
        )
    asked = f"{len(rows.requests)} requests × {len(rows.ads)} ads"
    return Proof(passed=True, detail=f"a fresh process answered {asked}, scores within {delta:.2g}")


def _expected(scorer: Scorer, shard: Shard, rows: RawRows) -> NDArray[np.float32]:
    """(R, A, T) probabilities of the same rows as the shard has them, NaN where a product lacks the task."""
    requests = _rows_of(shard.request_id, rows.requests, "request_id", shard)
    ads = _rows_of(shard.ad_id, rows.ads, "ad_id", shard)
    queries = scorer.embed_rows("query", shard.surface.numpy()[requests], shard.query.take(requests))
    items = scorer.embed_rows("item", shard.product.numpy()[ads], shard.item.take(ads))
    request, ad = np.divmod(np.arange(len(requests) * len(ads)), len(ads))
    return np.exp(scorer.score(queries, items, request, ad)).reshape(len(requests), len(ads), -1)


def _rows_of(keys: torch.Tensor, rows: tuple[Row, ...], column: str, shard: Shard) -> NDArray[np.int64]:
    """The shard's row of each raw row; the keys are numbers of ids."""
    place = {key: row for row, key in enumerate(keys.tolist())}
    if missing := [row[column] for row in rows if id_number(row[column]) not in place]:
        raise LogsError(
            f"{column} {missing[:3]} are not in the shard of {shard.day}; sample rows of that day"
        )
    return np.array([place[id_number(row[column])] for row in rows], np.int64)
