"""Logs → day shards → request-centric batches."""

from mtmd.data.batches import day_batches, gather_batch
from mtmd.data.extraction import extract_day, shard_fingerprint
from mtmd.data.profiles import FeatureShift, feature_shifts, profile_day
from mtmd.data.shards import Matrices, Shard, ShardRef, open_shard
from mtmd.data.snapshot import AdRows, ads_digests, day_bids, read_ads
from mtmd.data.window import Window, WindowData, days_fingerprint, plan_window, window_fingerprint

__all__ = [
    "AdRows",
    "FeatureShift",
    "Matrices",
    "Shard",
    "ShardRef",
    "Window",
    "WindowData",
    "ads_digests",
    "day_batches",
    "day_bids",
    "days_fingerprint",
    "extract_day",
    "feature_shifts",
    "gather_batch",
    "open_shard",
    "plan_window",
    "profile_day",
    "read_ads",
    "shard_fingerprint",
    "window_fingerprint",
]
