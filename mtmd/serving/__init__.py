"""Serve an exported bundle with onnxruntime alone: neither torch nor duckdb is imported here."""

from mtmd.serving.bundle import BUNDLE_FORMAT, BundleInfo, load_bundle
from mtmd.serving.requests import RankedAd, RankedRequest, RankRequest, RankResponse, rank
from mtmd.serving.scorer import Embeddings, Scorer
from mtmd.serving.scores import top_k, tree_log_probability

__all__ = [
    "BUNDLE_FORMAT",
    "BundleInfo",
    "Embeddings",
    "RankRequest",
    "RankResponse",
    "RankedAd",
    "RankedRequest",
    "Scorer",
    "load_bundle",
    "rank",
    "top_k",
    "tree_log_probability",
]
