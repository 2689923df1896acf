"""A graph of neighbours among ads (HNSW), and the one module that speaks usearch, which the extra `ann` installs.

A walk along such a graph finds what is near, and large dot products are not near: most ads would have a longer ad, not
themselves, as their best neighbour, and to others no path would lead. So each vector gets one more number that makes
all equally long, and then the nearest are those with the largest dot product (Bachrach et al., RecSys 2014).

A utility is proportional to the bid, and log(bid × P) is about log bid + logit where P is small: so there is one more
dimension, the log bid, which a query reads when its ranking does. It is stored at a size at which it does not outweigh
the embeddings among neighbours, and read at its own.
Shapes: R queries, N ads of a product, K_t embedding width of task t.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np

from mtmd.errors import BundleError, ConfigError
from mtmd.serve.published import PublishedAds
from mtmd.serve.scorer import Floats, Integers

BID_SHARE = 0.5  # deviation of the log bids as stored, of the mean length of embeddings (docs/decisions.md)
_WITHIN = 4.0  # deviations; a bid of 0 is that far down
_LEAST = 1e-3  # instead of a deviation or length of 0


@dataclass(frozen=True)
class Graph:
    """Neighbours among one product's ads by one task.

    bid_scale  what log bids were multiplied by
    vectors    usearch's index of K_t + 2 numbers an ad in float16; its keys are rows among all published ads
    """

    product: str
    task: str
    bid_scale: float
    vectors: Any

    @classmethod
    def build(cls, ads: PublishedAds, product: str, task: str, threads: int) -> Self:
        """Of the ads of a product that has the task, whose vectors it holds in memory.

        Raises ConfigError where usearch is not installed.
        """
        places = [place for place, block in enumerate(ads.blocks) if block.product == product]
        rows = np.concatenate([np.arange(*ads.starts[place : place + 2]) for place in places])
        own = np.concatenate([ads.blocks[place].tasks[task] for place in places]).astype(np.float32)
        own -= own.mean(axis=0)  # a query's logits all change by the same
        bids, deviation = _log_bids(np.concatenate([ads.blocks[place].bid for place in places]))
        length = np.sqrt(np.square(own).sum(axis=1).mean())
        scale = BID_SHARE * max(float(length), _LEAST) / deviation
        own = np.column_stack([own, scale * bids])  # (N, K_t + 1)
        squares = np.square(own).sum(axis=1)
        own = np.column_stack([own, np.sqrt(squares.max() - squares)])  # (N, K_t + 2)
        vectors = _usearch().Index(ndim=own.shape[1], metric="l2sq", dtype="f16")
        vectors.add(rows, own, threads=threads)
        return cls(product, task, scale, vectors)

    @classmethod
    def map(cls, path: Path, product: str, task: str, bid_scale: float) -> Self:
        """Map what `save` wrote.

        Raises BundleError for a file that this version of usearch can't read, ConfigError where it is not installed.
        """
        index = _usearch().Index
        try:
            vectors = index.restore(str(path), view=True)
        except (RuntimeError, ValueError) as error:
            raise BundleError(f"{path} cannot be mapped; build the index again: {error}") from error
        return cls(product, task, bid_scale, vectors)

    def save(self, path: Path) -> None:
        """Write the vectors and their graph."""
        self.vectors.save(str(path))

    def nearest(self, queries: Floats, width: int, *, bids: bool) -> list[Integers]:
        """About `width` rows of each of (R, K_t) queries: with the largest logits or, with `bids`, log bid + logit."""
        more = np.zeros((len(queries), 2), np.float32)
        more[:, 0] = 1 / self.bid_scale if bids else 0.0
        given = np.concatenate([queries, more], axis=1)
        given /= np.maximum(np.linalg.norm(given, axis=1, keepdims=True), _LEAST)
        wanted = min(width, len(self.vectors))
        return [self.vectors.search(own, wanted, threads=1).keys.astype(np.int64) for own in given]


def _usearch() -> Any:
    try:
        return import_module("usearch.index")
    except ImportError as error:
        raise ConfigError(
            "approximate search needs usearch, which is not installed: pip install -e '.[ann]'"
        ) from error


def _log_bids(bids: Floats) -> tuple[Floats, float]:
    """Logarithms (N,) around 0, none farther than some deviations, and their standard deviation."""
    logs = np.full(len(bids), -np.inf, np.float32)
    some = bids > 0
    logs[some] = np.log(bids[some])
    mean, deviation = (logs[some].mean(), logs[some].std()) if some.any() else (0.0, 0.0)
    spread = max(float(deviation), _LEAST)
    return np.clip(logs - mean, -_WITHIN * spread, _WITHIN * spread), spread
