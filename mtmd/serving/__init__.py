"""Serve an exported bundle with onnxruntime alone: neither torch nor duckdb is imported here."""

from mtmd.serving.ann import AdIndex
from mtmd.serving.bundle import BUNDLE_FORMAT, BundleInfo, load_bundle
from mtmd.serving.catalogue import Catalogue, Current
from mtmd.serving.features import export_embeddings
from mtmd.serving.publication import Counts, EncodedAds, publish_ads
from mtmd.serving.published import AdBlock, AdsInfo, PublishedAds, open_ads, write_ads
from mtmd.serving.ranker import Ranked, Ranker
from mtmd.serving.requests import RankedAd, RankedRequest, RankRequest, RankResponse, rank
from mtmd.serving.scorer import Embeddings, Scorer
from mtmd.serving.scores import top_k, tree_log_probability
from mtmd.serving.search import Ranking, TopAds, by_task, by_utility, search

__all__ = [
    "BUNDLE_FORMAT",
    "AdBlock",
    "AdIndex",
    "AdsInfo",
    "BundleInfo",
    "Catalogue",
    "Counts",
    "Current",
    "Embeddings",
    "EncodedAds",
    "PublishedAds",
    "RankRequest",
    "RankResponse",
    "Ranked",
    "RankedAd",
    "RankedRequest",
    "Ranker",
    "Ranking",
    "Scorer",
    "TopAds",
    "by_task",
    "by_utility",
    "export_embeddings",
    "load_bundle",
    "open_ads",
    "publish_ads",
    "rank",
    "search",
    "top_k",
    "tree_log_probability",
    "write_ads",
]
