"""One request that the champion answered, beside what a candidate would have answered: a line of the shadow log.

It works on answers as JSON has them, so that whoever reads the log needs no model.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from mtmd.config import Frozen
from mtmd.logs.ids import Id

Why = Literal["asked", "share"]
Ads = Sequence[Mapping[str, Any]]  # best first, as `/rank` answers


class ModelOf(Frozen):
    """Who answered."""

    model_id: str
    bundle_id: str
    day: date = Field(description="of its snapshot of ads")


class TaskScores(Frozen):
    """Probabilities of one task by both models, of the same ads: those that were answered."""

    ads: int = Field(ge=1, description="that both models gave a probability")
    live: float = Field(description="mean probability by the champion")
    candidate: float = Field(description="mean probability by the candidate")
    absolute: float = Field(description="mean of |candidate − live|")
    largest: float = Field(description="largest |candidate − live|")

    @classmethod
    def pooled(cls, parts: Sequence["TaskScores"]) -> "TaskScores":
        """Means over all ads of several."""
        ads = sum(part.ads for part in parts)
        return cls(
            ads=ads,
            live=sum(part.live * part.ads for part in parts) / ads,
            candidate=sum(part.candidate * part.ads for part in parts) / ads,
            absolute=sum(part.absolute * part.ads for part in parts) / ads,
            largest=max(part.largest for part in parts),
        )


class Compared(Frozen):
    """One request."""

    at: datetime
    why: Why = Field(description="the client asked for it, or the share of the traffic picked it")
    live: ModelOf
    candidate: ModelOf
    request_id: Id | None
    surface: str
    rank_by: str = Field(description="the task, or the tasks of the weights")
    ads: int = Field(description="that the champion answered")
    shared: int = Field(description="of those, how many the candidate would have answered too")
    same_first: bool = Field(description="whether both have the same best ad")
    missing: int = Field(description="of the champion's ads, how many the candidate has no embedding of")
    tasks: dict[str, TaskScores]
    seconds: float = Field(
        description="that the candidate took for the call, which may hold several requests"
    )
    live_ads: tuple[Id, ...] | None = None
    candidate_ads: tuple[Id, ...] | None = None


class Failed(Frozen):
    """A call that the candidate could not answer."""

    at: datetime
    why: Why
    candidate: str = Field(description="its model id")
    error: str


def rank_by(body: Mapping[str, Any], first_task: str) -> str:
    """What a body ranks by, in one word."""
    asked = body.get("rank_by") or first_task
    return asked if isinstance(asked, str) else "+".join(sorted(asked))


def of_tasks(live: Ads, candidate: Ads) -> dict[str, TaskScores]:
    """Both models' probabilities of the ads that both scored, by task."""
    theirs = {ad["ad_id"]: ad["probability"] for ad in candidate}
    found: dict[str, list[TaskScores]] = {}
    for ad in live:
        for task, p in ad["probability"].items():
            other = theirs.get(ad["ad_id"], {}).get(task)
            if p is not None and other is not None:
                delta = abs(other - p)
                scores = TaskScores(ads=1, live=p, candidate=other, absolute=delta, largest=delta)
                found.setdefault(task, []).append(scores)
    return {task: TaskScores.pooled(parts) for task, parts in found.items()}
