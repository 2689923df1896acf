"""A day of requests before any ranker: who asks, which ads target them, and what would happen if they were shown.

These are requests that no log has, on the platform and the ads of a day that one may have. What nobody logs of a pair
(`mtmd.sources.simulated.outcomes`) and what people would do are functions of the pair alone, so every ranker meets the
same people in the same mood.
R requests, A ads, P eligible pairs, T tasks, K further tasks, U users.
"""

from dataclasses import dataclass, fields, replace
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.extras.abtest.settings import FunnelConfig
from mtmd.sources.simulated import further_tasks
from mtmd.sources.simulated.ads import Ads
from mtmd.sources.simulated.outcomes import TASKS, following_clicks, score
from mtmd.sources.simulated.platform import SimulatedPlatform
from mtmd.sources.simulated.population import Users
from mtmd.sources.simulated.requests import Pairs, Requests, draw_requests, eligible
from mtmd.sources.simulated.streams import Floats, Ints, normals

Chances = NDArray[np.float32]
_START, _APART = 200_000_000, 1_000_000  # numbers of requests: of the first sample, and between samples
_BLOCK = 250  # requests whose pairs are looked at together: some 100,000


@dataclass(frozen=True)
class Traffic:
    """R requests in order of time, the day's A ads, and the P pairs of both that targeting allows.

    first          (R + 1,) pairs of request r are first[r] to first[r + 1] - 1, in order of ads
    truth          (P, T) float32 chances of each task's action, NaN where the product lacks the task
    teacher        (P, T) float32 what the heavyweight ranker predicts of them
    further        (P, K) float32 chances of `further_tasks`, as in truth; K = 0 in a world that has none. No ranker is
                   asked for them: the auction is about the others
    reactions      (P, 2) float32 chances of a hide where there was no click, and of a repin; None where they follow
                   from the chance of a click
    request_rows   (R,) and ad_rows (A,): tables, as the logs have them; all that a lightweight ranker sees
    """

    seed: int
    requests: Requests
    ads: Ads
    pairs: Pairs
    first: Ints
    truth: Chances
    teacher: Chances
    further: Chances
    request_rows: pa.Table
    ad_rows: pa.Table

    def reactions_to(self, pair: Ints) -> Floats:
        """(I, 2) chance that each of these pairs' ads is hidden where it was not clicked, and that it is saved."""
        return following_clicks(self.truth[pair, 0].astype(np.float64))


def draw_traffic(platform: SimulatedPlatform, day: date, config: FunnelConfig, sample: int = 0) -> Traffic:
    """The day's traffic; each sample has other requests. Raises ConfigError before the world's origin."""
    ads, ordinal = platform.ads(day), day.toordinal()
    start = _START + _APART * sample
    drawn = draw_requests(platform.population, ordinal, start, start + config.requests)
    order = np.argsort(drawn.second, kind="stable")
    requests = _take(drawn, order)
    parts = []
    for begin in range(0, len(requests), _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, len(requests)))
        block = _take(requests, rows)
        pairs = eligible(block, ads, config.broad)
        known = Pairs(pairs.request + begin, pairs.ad)
        scored = _score(platform, day, block, ads, pairs, identity(requests, ads, known))
        parts.append((known.request, known.ad, *(chances.astype("f4") for chances in scored)))
    request, ad, truth, teacher, further = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Traffic(
        seed=platform.config.seed,
        requests=requests,
        ads=ads,
        pairs=Pairs(request, ad),
        first=np.searchsorted(request, np.arange(len(requests) + 1)),
        truth=truth,
        teacher=teacher,
        further=further,
        request_rows=platform.request_rows(drawn, ordinal, start).take(order),
        ad_rows=platform.book.ads(ads).take(np.argsort(np.argsort(ads.ad_id))),  # the table is in order of id
    )


def _score(
    platform: SimulatedPlatform, day: date, requests: Requests, ads: Ads, pairs: Pairs, identity: Ints
) -> tuple[Floats, Floats, Floats]:
    """(P, T) truth and teacher, and (P, K) truth of the further tasks; what nobody logs is a trait of the pair."""

    def noise(stream: str, tasks: int) -> Floats:
        drawn = normals(platform.config.seed, stream, identity, 2 * tasks)
        return drawn.reshape(-1, 2, tasks).transpose(1, 0, 2)

    since = (day - platform.config.origin).days
    logits = platform.effects.logits(requests, ads, pairs, since)
    scores = score(logits, requests, ads, pairs, noise("funnel noise", len(TASKS)))
    if platform.further_tasks is None:
        return scores.truth, scores.teacher, np.empty((len(pairs.ad), 0))
    own = noise("further funnel noise", len(further_tasks.TASKS))
    _, further = platform.further_tasks.score_with(requests, ads, pairs, scores, since, own)
    return scores.truth, scores.teacher, further.truth


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
