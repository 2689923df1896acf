"""Ranking without a publication or a search: every raw ad scored for every raw request, then sorted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtmd.serve.ranker import Row, embed_requests
from mtmd.serve.scorer import Embeddings, Scorer


def embed_ads(scorer: Scorer, product: str, ads: Sequence[Row]) -> Embeddings:
    """Embeddings of raw ads of one product."""
    return scorer.embed("item", product, scorer.encode(ads, "item"))


def log_probabilities(scorer: Scorer, queries: Embeddings, items: Embeddings) -> NDArray[np.float32]:
    """(R, A, T) of every request with every ad, NaN where the ad's product lacks the task."""
    shape = len(queries.domain), len(items.domain)
    pairs = np.indices(shape).reshape(2, -1)
    return scorer.score(queries, items, pairs[0], pairs[1]).reshape(*shape, len(scorer.tasks))


def probabilities(scorer: Scorer, requests: Sequence[Row], ads: Sequence[Row]) -> NDArray[np.float32]:
    """(R, A, T) of raw requests and raw ads."""
    items = Embeddings.concatenate([embed_ads(scorer, ad["product"], [ad]) for ad in ads])
    return np.exp(log_probabilities(scorer, embed_requests(scorer, requests), items))


def best(scores: NDArray[np.floating], ads: Sequence[Row], k: int) -> list[int]:
    """Ids of the k best ads by (A,) scores, best first; ads without a score rank nowhere."""
    order = [int(place) for place in np.argsort(-scores, kind="stable") if not np.isnan(scores[place])]
    return [ads[place]["ad_id"] for place in order[:k]]
