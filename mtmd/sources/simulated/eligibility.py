"""Which ads target a request, and the uniform draw from them that a platform scores to learn of ads not chosen.

Retrieval chooses what looks good, so a ranker that learns from its choices alone knows little of the others. A
heavyweight ranker therefore scores a few ads more, each eligible one with the same chance. An explored candidate takes
part in its request's auction like every other: a platform has no reason to keep back an ad that its heavyweight ranker
finds better than the ones it chose.
R requests, A ads, P pairs.
"""

import numpy as np

from mtmd.sources.simulated.actions import Bools
from mtmd.sources.simulated.ads import Ads
from mtmd.sources.simulated.config import BROAD, WorldConfig
from mtmd.sources.simulated.requests import Pairs, Requests
from mtmd.sources.simulated.streams import Ints, generator


def eligible(requests: Requests, ads: Ads, broad: int) -> Pairs:
    """Ads that target a request: on its topic, on an interest of its user, or for everybody (the most popular)."""
    wanted = np.zeros((len(requests), int(ads.topic.max()) + 1), np.bool_)
    rows = np.arange(len(requests))
    for topic in (requests.topic, *requests.users.interests.T):
        known = topic < wanted.shape[1]  # a topic may have no ad
        wanted[rows[known], topic[known]] = True
    allowed = wanted[:, ads.topic]  # (R, A)
    allowed[:, np.argsort(-ads.popularity, kind="stable")[:broad]] = True
    request, ad = np.nonzero(allowed)
    return Pairs(request, ad)


def with_explored(
    config: WorldConfig, requests: Requests, ads: Ads, chosen: Pairs, ordinal: int, start: int
) -> tuple[Pairs, Bools]:
    """The chosen pairs and the explored ones, sorted by request and ad; (P,) which of them are explored.

    Each request's explored ads are drawn without replacement from its eligible ads that are not chosen: all of them
    where there are no more than `explored_per_request`.
    """
    if config.explored_per_request == 0:
        return chosen, np.zeros(len(chosen.ad), np.bool_)
    pool = eligible(requests, ads, BROAD)
    others = ~np.isin(_key(pool), _key(chosen))
    request, ad = pool.request[others], pool.ad[others]
    turn = generator(config.seed, "explored", ordinal, start).random(len(request))
    # within the request, in order of turn
    place = np.arange(len(request)) - np.searchsorted(request, request)
    drawn = np.lexsort((turn, request))[place < config.explored_per_request]
    pairs = Pairs(np.concatenate([chosen.request, request[drawn]]), np.concatenate([chosen.ad, ad[drawn]]))
    order = np.lexsort((pairs.ad, pairs.request))
    return Pairs(pairs.request[order], pairs.ad[order]), order >= len(chosen.ad)


def _key(pairs: Pairs) -> Ints:
    return pairs.request * np.int64(2**31) + pairs.ad
