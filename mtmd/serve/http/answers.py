"""What the service answers, and the work of answering: all of it on one thread, with one model."""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from math import isfinite
from typing import Any

from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.logs.ids import Id, id_list
from mtmd.serve.http.bodies import Call, IdsAs
from mtmd.serve.http.intake import Refused
from mtmd.serve.http.live import Serving
from mtmd.serve.ranker import Ranked, Row
from mtmd.serve.search import by_task, by_utility


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
    call = serving.bodies.parse_rank(body)
    domains = serving.ranker.scorer.info.declarations.domains
    by = call.rank_by
    ranking = by_task(domains, by) if isinstance(by, str) else by_utility(domains, by)
    try:
        ranked = serving.ranker.rank(call.requests, ranking, call.top_k, call.ad_ids)
    except LogsError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    answer = RankAnswer(
        model_id=serving.ranker.model_id,
        bundle_id=serving.ranker.bundle_id,
        day=serving.day,
        requests=tuple(
            RankedAds(
                request_id=_request_id(row, call.ids),
                ads=_ads(call, ranked, place, domains.task_names),
            )
            for place, row in enumerate(call.requests)
        ),
        unpublished=tuple(_written(ranked.unpublished, call.ids)),
    )
    return answer.model_dump_json().encode()


def answer_embed(serving: Serving, body: bytes) -> bytes:
    """Raises as `answer_rank` does."""
    call = serving.bodies.parse_embed(body)
    try:
        embedded = serving.ranker.embed(call.requests)
    except LogsError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    vectors = {task: matrix.tolist() for task, matrix in embedded.tasks.items()}
    answer = EmbedAnswer(
        model_id=serving.ranker.model_id,
        bundle_id=serving.ranker.bundle_id,
        requests=tuple(
            EmbeddedRequest(
                request_id=_request_id(row, call.ids),
                embedding={task: rows[place] for task, rows in vectors.items()},
            )
            for place, row in enumerate(call.requests)
        ),
    )
    return answer.model_dump_json().encode()


def _request_id(row: Row, ids: IdsAs) -> Id | None:
    given: Id | None = row.get("request_id")
    return str(given) if given is not None and ids == "string" else given


def _written(ids: NDArray[Any], how: IdsAs) -> list[Id]:
    listed = id_list(ids)
    return [str(one) for one in listed] if how == "string" else listed


def _ads(call: Call, ranked: Ranked, place: int, tasks: Sequence[str]) -> tuple[RankedAd, ...]:
    scores, probabilities = ranked.score[place], ranked.probability[place]
    if isinstance(call.rank_by, str):  # a task may rank by its logit, which says the same and reads worse
        scores = probabilities[:, tasks.index(call.rank_by)]
    ad_ids = _written(ranked.ad_id[place], call.ids)
    rows = zip(ad_ids, scores.tolist(), probabilities.tolist(), strict=True)
    return tuple(
        RankedAd(
            ad_id=ad_id,
            score=score,
            probability={t: p if isfinite(p) else None for t, p in zip(tasks, of_tasks, strict=True)},
        )
        for ad_id, score, of_tasks in rows
    )
