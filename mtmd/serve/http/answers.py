"""What the service answers, and the work of answering: all of it on one thread, with one model."""

import json
from collections.abc import Callable
from datetime import date
from math import isfinite
from typing import Annotated, Any

from pydantic import Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.logs.contract import Id, id_list
from mtmd.serve.http.intake import parsed
from mtmd.serve.http.live import Serving
from mtmd.serve.ranker import Ranked, ranking_by

Answer = Callable[[Serving, bytes], bytes]
_Other = Annotated[
    str | None,
    Field(
        exclude_if=lambda model: model is None,
        description="the model that answers this request, where a rollout gives its user another one than the call's",
    ),
]


class RankedAd(Frozen):
    """One ad of an answer."""

    ad_id: Id
    score: float = Field(description="what ranks: the task's probability, or the utility")
    probability: dict[str, float | None] = Field(description="of each task; null where the product lacks it")


class RankedAds(Frozen):
    """One request's best ads, best first."""

    request_id: Id | None
    model_id: _Other = None
    ads: tuple[RankedAd, ...]


class RankAnswer(Frozen):
    """The answer of /rank: all of it is of one model, but for requests that name another one."""

    model_id: str
    bundle_id: str
    day: date = Field(description="of the snapshot of ads")
    requests: tuple[RankedAds, ...] = Field(description="in the order of the requests")
    unpublished: tuple[Id, ...] = Field(description="ads that were named and are not published")


class EmbeddedRequest(Frozen):
    """One request's query embeddings."""

    request_id: Id | None
    model_id: _Other = None
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
    rollout: str | None = Field(
        None,
        exclude_if=lambda words: words is None,
        description="who answers whom, while the champion answers a share of the users",
    )
    problem: str | None = Field(description="why a newer champion, or newer ads, are not served")


def answer_users(answer: Answer, serving: Serving, body: bytes) -> bytes:
    """A call's answer, each request by the model of its user; raises as the given `answer` does.

    What stands above the requests is of the first one's model. Requests that the other model answers say so.
    """
    if serving.others is None:
        return answer(serving, body)
    try:
        call = json.loads(body)
        chosen = [serving.of(row.get("user_id")) for row in call["requests"]]
        models = list(dict.fromkeys(chosen))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        models = []
    if len(models) != 2 or len(chosen) > serving.bodies.most:  # what is wrong is refused, and the reason said
        return answer(models[0] if models else serving, body)
    first, second = (_part(answer, model, call, chosen, body) for model in models)
    for row in second["requests"]:
        row["model_id"] = second["model_id"]
    rows = {model: iter(part["requests"]) for model, part in zip(models, (first, second), strict=True)}
    first["requests"] = [next(rows[model]) for model in chosen]
    if "unpublished" in first:
        first["unpublished"] = list(dict.fromkeys([*first["unpublished"], *second["unpublished"]]))
    return json.dumps(first, ensure_ascii=False, separators=(",", ":")).encode()


def _part(
    answer: Answer, model: Serving, call: dict[str, Any], chosen: list[Serving], body: bytes
) -> dict[str, Any]:
    """The answer to the requests of a call that one model answers."""
    own = [row for row, of in zip(call["requests"], chosen, strict=True) if of is model]
    try:
        answered: dict[str, Any] = json.loads(answer(model, json.dumps(call | {"requests": own}).encode()))
    except (ValidationError, LogsError):
        answer(model, body)  # raises as well, and names the place in the body that was sent
        raise
    return answered


def answer_rank(serving: Serving, body: bytes) -> bytes:
    """Raises ValidationError or LogsError for a body that this bundle does not understand."""
    call, ranker = parsed(serving.bodies.rank, body), serving.ranker
    domains = ranker.scorer.info.declarations.domains
    by = call.get("rank_by", domains.task_names[0])
    ranked = ranker.rank(call["requests"], ranking_by(domains, by), call["top_k"], call.get("ad_ids"))
    answer = RankAnswer(
        model_id=ranker.model_id,
        bundle_id=ranker.bundle_id,
        day=serving.day,
        requests=tuple(
            RankedAds(request_id=row.get("request_id"), ads=_ads(ranked, place, by, domains.task_names))
            for place, row in enumerate(call["requests"])
        ),
        unpublished=tuple(id_list(ranked.unpublished)),
    )
    return answer.model_dump_json().encode()


def answer_embed(serving: Serving, body: bytes) -> bytes:
    """Raises as `answer_rank` does."""
    requests, ranker = parsed(serving.bodies.embed, body)["requests"], serving.ranker
    vectors = {task: matrix.tolist() for task, matrix in ranker.embed(requests).tasks.items()}
    answer = EmbedAnswer(
        model_id=ranker.model_id,
        bundle_id=ranker.bundle_id,
        requests=tuple(
            EmbeddedRequest(
                request_id=row.get("request_id"),
                embedding={task: rows[place] for task, rows in vectors.items()},
            )
            for place, row in enumerate(requests)
        ),
    )
    return answer.model_dump_json().encode()


def _ads(
    ranked: Ranked, place: int, by: str | dict[str, float], tasks: tuple[str, ...]
) -> tuple[RankedAd, ...]:
    scores, probabilities = ranked.score[place], ranked.probability[place]
    if isinstance(by, str):  # a task may rank by its logit, which says the same and reads worse
        scores = probabilities[:, tasks.index(by)]
    rows = zip(id_list(ranked.ad_id[place]), scores.tolist(), probabilities.tolist(), strict=True)
    return tuple(
        RankedAd(
            ad_id=ad_id,
            score=score,
            probability={t: p if isfinite(p) else None for t, p in zip(tasks, of_tasks, strict=True)},
        )
        for ad_id, score, of_tasks in rows
    )
