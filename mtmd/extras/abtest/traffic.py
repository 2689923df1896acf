"""A day of requests before any ranker: who asks, which ads target them, and what would happen if they were shown.

These are requests that no log has, on the platform and the ads of a day that one may have. What nobody logs of a pair
(`mtmd.sources.simulated.outcomes`) is a function of the pair alone, so every ranker meets the same people in the same
mood.
R requests, A ads, P eligible pairs, T tasks.
"""

from dataclasses import dataclass, fields, replace
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.sources.simulated.ads import Ads
from mtmd.sources.simulated.config import BROAD
from mtmd.sources.simulated.outcomes import TASKS, Scores, score
from mtmd.sources.simulated.platform import SimulatedPlatform
from mtmd.sources.simulated.population import Ints, Users, normals
from mtmd.sources.simulated.requests import Pairs, Requests, draw_requests, eligible

Chances = NDArray[np.float32]
_START, _APART = 200_000_000, 1_000_000  # numbers of requests: of the first sample, and between samples
_BLOCK = 250  # requests whose pairs are looked at together: some 100,000


@dataclass(frozen=True)
class Traffic:
    """R requests in order of time, the day's A ads, and the P pairs of both that targeting allows.

    first          (R + 1,) pairs of request r are first[r] to first[r + 1] - 1, in order of ads
    truth          (P, T) float32 chances of each task's action, NaN where the product lacks the task
    teacher        (P, T) float32 what the heavyweight ranker predicts of them
    request_rows   (R,) and ad_rows (A,): tables, as the logs have them; all that a lightweight ranker sees
    """

    seed: int
    requests: Requests
    ads: Ads
    pairs: Pairs
    first: Ints
    truth: Chances
    teacher: Chances
    request_rows: pa.Table
    ad_rows: pa.Table


def draw_traffic(
    platform: SimulatedPlatform, day: date, requests: int, sample: int = 0, broad: int = BROAD
) -> Traffic:
    """The day's traffic; each sample has other requests. Raises ConfigError before the world's origin.

    `broad` most popular ads target everybody, beside those on topic, as in the logs.
    """
    ads, ordinal = platform.ads(day), day.toordinal()
    start = _START + _APART * sample
    drawn = draw_requests(platform.population, ordinal, start, start + requests)
    order = np.argsort(drawn.second, kind="stable")
    sorted_requests = _take(drawn, order)
    parts = []
    for begin in range(0, requests, _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, requests))
        block = _take(sorted_requests, rows)
        pairs = eligible(block, ads, broad)
        scored = _score(platform, day, block, ads, pairs)
        parts.append(
            (pairs.request + begin, pairs.ad, scored.truth.astype("f4"), scored.teacher.astype("f4"))
        )
    request, ad, truth, teacher = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Traffic(
        seed=platform.config.seed,
        requests=sorted_requests,
        ads=ads,
        pairs=Pairs(request, ad),
        first=np.searchsorted(request, np.arange(requests + 1)),
        truth=truth,
        teacher=teacher,
        request_rows=platform.request_rows(drawn, ordinal, start).take(order),
        ad_rows=platform.book.ads(ads).take(np.argsort(np.argsort(ads.ad_id))),  # the table is in order of id
    )


def _score(platform: SimulatedPlatform, day: date, requests: Requests, ads: Ads, pairs: Pairs) -> Scores:
    """(P, T) truth and teacher; what nobody logs is a trait of the pair."""
    drawn = normals(platform.config.seed, "funnel noise", identity(requests, ads, pairs), 2 * len(TASKS))
    logits = platform.effects.logits(requests, ads, pairs, (day - platform.config.origin).days)
    noise = drawn.reshape(-1, 2, len(TASKS)).transpose(1, 0, 2)
    return score(logits, requests, ads, pairs, noise)


def identity(requests: Requests, ads: Ads, pairs: Pairs) -> Ints:
    """(P,) numbers that name each request and ad together, whatever other pairs there are."""
    return np.asarray(requests.request_id[pairs.request] * len(ads.ad_id) + pairs.ad)


def _take(requests: Requests, rows: Ints) -> Requests:
    """Some of the requests, each with its user."""
    users = Users(*(getattr(requests.users, field.name)[rows] for field in fields(Users)))
    columns = {
        field.name: getattr(requests, field.name)[rows]
        for field in fields(Requests)
        if field.name not in ("users", "weekday")
    }
    return replace(requests, users=users, **columns)
