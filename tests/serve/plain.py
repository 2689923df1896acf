"""Ranking without a publication or a search: every raw ad scored for every raw request, then sorted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtmd.serve.ranker import Row, embed_requests
from mtmd.serve.scorer import Embeddings, Scorer


def probabilities(scorer: Scorer, requests: Sequence[Row], ads: Sequence[Row]) -> NDArray[np.float32]:
    """(R, A, T), NaN where the ad's product lacks the task."""
    parts = [scorer.embed_raw_items(ad["product"], [ad]) for ad in ads]
    return np.exp(scorer.score_all(embed_requests(scorer, requests), Embeddings.concatenate(parts)))


def best(scores: NDArray[np.floating], ads: Sequence[Row], k: int) -> list[int]:
    """Ids of the k best ads by (A,) scores, best first; ads without a score rank nowhere."""
    order = [int(place) for place in np.argsort(-scores, kind="stable") if not np.isnan(scores[place])]
    return [ads[place]["ad_id"] for place in order[:k]]
