"""What the service answers, and the work of answering: all of it on one thread, with one model."""

from datetime import date
from http import HTTPStatus
from math import isfinite
from typing import Any

from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.logs.contract import Id, id_list
from mtmd.serve.http.intake import Call, IdsAs, Refused, parsed
from mtmd.serve.http.live import Serving
from mtmd.serve.ranker import Ranked, ranking_by


class RankedAd(Frozen):
    """One ad of an answer."""

    ad_id: Id
    score: float = Field(description="what ranks: the task's probability, or the utility")
    probability: dict[str, float | None] = Field(description="of each task; null where the product lacks it")


class RankedAds(Frozen):
    """One request's best ads, best first."""

    request_id: Id | None
    ads: tuple[RankedAd, ...]


class RankAnswer(Frozen):
    """The answer of /rank: all of it is of one model."""

    model_id: str
    bundle_id: str
    day: date = Field(description="of the snapshot of ads")
    requests: tuple[RankedAds, ...] = Field(description="in the order of the requests")
    unpublished: tuple[Id, ...] = Field(description="ads that were named and are not published")


class EmbeddedRequest(Frozen):
    """One request's query embeddings."""

    request_id: Id | None
    embedding: dict[str, tuple[float, ...]] = Field(description="task → vector; the dot product is the logit")


class EmbedAnswer(Frozen):
    """The answer of /embed."""

    model_id: str
    bundle_id: str
    requests: tuple[EmbeddedRequest, ...] = Field(description="in the order of the requests")


class ReadyAnswer(Frozen):
    """The answer of /ready: what is served."""

    model_id: str
    bundle_id: str
    day: date = Field(description="of the snapshot of ads")
    ads: int
    problem: str | None = Field(description="why a newer champion, or newer ads, are not served")


def answer_rank(serving: Serving, body: bytes) -> bytes:
    """Raises Refused for a body that this bundle does not understand."""
    call, ranker = parsed(serving.bodies.rank, body), serving.ranker
    domains = ranker.scorer.info.declarations.domains
    by = call.rank_by or domains.task_names[0]
    try:
        ranked = ranker.rank(call.requests, ranking_by(domains, by), call.top_k, call.ad_ids)
    except LogsError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    answer = RankAnswer(
        model_id=ranker.model_id,
        bundle_id=ranker.bundle_id,
        day=serving.day,
        requests=tuple(
            RankedAds(request_id=request_id, ads=_ads(ranked, place, by, call.ids, domains.task_names))
            for place, request_id in enumerate(_request_ids(call))
        ),
        unpublished=tuple(_written(ranked.unpublished, call.ids)),
    )
    return answer.model_dump_json().encode()


def answer_embed(serving: Serving, body: bytes) -> bytes:
    """Raises as `answer_rank` does."""
    call, ranker = parsed(serving.bodies.embed, body), serving.ranker
    try:
        vectors = {task: matrix.tolist() for task, matrix in ranker.embed(call.requests).tasks.items()}
    except LogsError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    answer = EmbedAnswer(
        model_id=ranker.model_id,
        bundle_id=ranker.bundle_id,
        requests=tuple(
            EmbeddedRequest(
                request_id=request_id, embedding={task: rows[place] for task, rows in vectors.items()}
            )
            for place, request_id in enumerate(_request_ids(call))
        ),
    )
    return answer.model_dump_json().encode()


def _request_ids(call: Call) -> list[Id | None]:
    given = [row.get("request_id") for row in call.requests]
    return [str(one) if one is not None and call.ids == "string" else one for one in given]


def _written(ids: NDArray[Any], how: IdsAs) -> list[Id]:
    return [str(one) if how == "string" else one for one in id_list(ids)]


def _ads(
    ranked: Ranked, place: int, by: str | dict[str, float], ids: IdsAs, tasks: tuple[str, ...]
) -> tuple[RankedAd, ...]:
    scores, probabilities = ranked.score[place], ranked.probability[place]
    if isinstance(by, str):  # a task may rank by its logit, which says the same and reads worse
        scores = probabilities[:, tasks.index(by)]
    rows = zip(_written(ranked.ad_id[place], ids), scores.tolist(), probabilities.tolist(), strict=True)
    return tuple(
        RankedAd(
            ad_id=ad_id,
            score=score,
            probability={t: p if isfinite(p) else None for t, p in zip(tasks, of_tasks, strict=True)},
        )
        for ad_id, score, of_tasks in rows
    )
