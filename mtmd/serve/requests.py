"""Rank raw ads for raw requests: the JSON that a bundle is asked with, and the JSON it answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.serve.scorer import Embeddings, Floats, Integers, Scorer, top_k

Row = dict[str, Any]


class RankRequest(Frozen):
    """Raw rows, as the log contract has them; other columns are ignored, absent ones are null."""

    requests: tuple[Row, ...] = Field(description="query features, `request_id` and `surface`")
    ads: tuple[Row, ...] = Field(
        description="item features, `ad_id` and `product`; all are scored for each request"
    )
    rank_by: str | None = Field(None, description="task that orders the ads; the first task when omitted")
    top_k: int = Field(10, ge=1)


class RankedAd(Frozen):
    """One of a request's best ads."""

    ad_id: int
    score: float = Field(description="probability of the task that ranks")


class RankedRequest(Frozen):
    """One request's answer."""

    request_id: int
    scores: dict[str, tuple[float | None, ...]] = Field(
        description="task → probability of each ad, in the order given; null where the product lacks the task"
    )
    top: tuple[RankedAd, ...]


class RankResponse(Frozen):
    """Answers in the order of the requests."""

    bundle_id: str
    rank_by: str
    requests: tuple[RankedRequest, ...]


def rank(scorer: Scorer, question: RankRequest) -> RankResponse:
    """Score every ad for every request, and rank.

    Raises LogsError naming the row and column for an unknown surface, product or task, or a bad value.
    """
    domains = scorer.info.declarations.domains
    by = question.rank_by or domains.task_names[0]
    if by not in domains.task_names:
        raise LogsError(f"rank_by {by!r} must be a task of the bundle: {list(domains.task_names)}")
    request_ids = _ids(question.requests, "request_id")
    ad_ids = _ids(question.ads, "ad_id")
    queries = embed_requests(scorer, question.requests)
    items = _embed(scorer, question.ads, "product", domains.products)
    scores = np.exp(scorer.score_all(queries, items))  # (R, A, T)
    ranked_by = domains.task_names.index(by)
    return RankResponse(
        bundle_id=scorer.info.bundle_id,
        rank_by=by,
        requests=tuple(
            RankedRequest(
                request_id=request_id,
                scores={task: _numbers(own[:, t]) for t, task in enumerate(domains.task_names)},
                top=tuple(
                    RankedAd(ad_id=ad_ids[ad], score=float(own[ad, ranked_by]))
                    for ad in top_k(own[:, ranked_by], question.top_k)
                ),
            )
            for request_id, own in zip(request_ids, scores, strict=True)
        ),
    )


def embed_requests(scorer: Scorer, rows: Sequence[Row]) -> Embeddings:
    """Embeddings of raw requests of any surfaces, in their order: each runs through its surface's experts alone.

    Raises LogsError naming the row and column for an unknown surface or a bad value.
    """
    return _embed(scorer, rows, "surface", scorer.info.declarations.domains.surfaces)


def _ids(rows: Sequence[Mapping[str, Any]], column: str) -> list[int]:
    for number, row in enumerate(rows):
        if not isinstance(row.get(column), int):
            raise LogsError(f"row {number} has {column} {row.get(column)!r}; it must be an integer")
    return [row[column] for row in rows]


def _embed(scorer: Scorer, rows: Sequence[Row], column: str, names: tuple[str, ...]) -> Embeddings:
    """Embeddings of rows of mixed domains, in the order of the rows."""
    embed = scorer.embed_raw_queries if column == "surface" else scorer.embed_raw_items
    for number, row in enumerate(rows):
        if row.get(column) not in names:
            raise LogsError(f"row {number} has {column} {row.get(column)!r}; it must be one of {list(names)}")
    parts, places = [], []
    for name in names:
        if own := [place for place, row in enumerate(rows) if row[column] == name]:
            places += own
            parts.append(embed(name, [rows[place] for place in own]))
    joined = Embeddings.concatenate(parts or [embed(names[0], [])])
    back: Integers = np.argsort(np.array(places, np.int64), kind="stable")
    tasks = {task: values[back] for task, values in joined.tasks.items()}
    return Embeddings(joined.bundle_id, joined.side, joined.domain[back], tasks)


def _numbers(scores: Floats) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(score) else float(score) for score in scores)
