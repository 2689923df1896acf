"""Score a day's shard with an exported bundle."""

import numpy as np
from numpy.typing import NDArray

from mtmd.extract.shards import Shard
from mtmd.logs.encoding import EncodedSide
from mtmd.serve.scorer import Embeddings, Scorer

_ROWS_AT_ONCE = 4096  # bounds the activations of a tower


def score_shard(scorer: Scorer, shard: Shard) -> NDArray[np.float32]:
    """Natural-log probabilities (P, T) of the day's candidates, in their order; NaN without the task.

    The shard must be encoded with the bundle's own declarations; raises BundleError where its widths or ids
    do not fit them.
    """
    domains = scorer.info.declarations.domains
    queries = _embed(scorer, "query", domains.surfaces, shard.query, shard.surface.numpy())
    items = _embed(scorer, "item", domains.products, shard.item, shard.product.numpy())
    return scorer.score(
        queries,
        items,
        shard.request_row.numpy().astype(np.int64),
        shard.ad_row.numpy().astype(np.int64),
    )


def _embed(
    scorer: Scorer, side: str, names: tuple[str, ...], rows: EncodedSide, domain: NDArray[np.int8]
) -> Embeddings:
    """Embeddings of all rows of one side, in the shard's order: it is sorted by domain."""
    embed = scorer.embed_queries if side == "query" else scorer.embed_items
    parts: list[Embeddings] = []
    for index, name in enumerate(names):
        own = np.flatnonzero(domain == index)
        starts = range(0, max(len(own), 1), _ROWS_AT_ONCE)
        parts += [embed(name, rows.take(own[start : start + _ROWS_AT_ONCE])) for start in starts]
    return Embeddings.concatenate(parts)
