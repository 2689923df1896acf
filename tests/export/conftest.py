"""One small model with filled statistics, exported once, and a day of logs with every kind of value."""

import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mtmd.config import Preset
from mtmd.export.bundle import export_bundle
from mtmd.extract.batches import day_batches
from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.model.ranker import TwoTower, build_model
from mtmd.registry.bundle import BundleInfo

PRESET = """
name = "small"
logs = "unused"
features = [
  {name = "user_id", side = "query", kind = "categorical", type = "BIGINT", buckets = 500, min_count = 3},
  {name = "country", side = "query", kind = "categorical", buckets = 20, shallow = true},
  {name = "activity", side = "query", kind = "continuous", log1p = true},
  {name = "pace", side = "query", kind = "continuous"},
  {name = "vector", side = "query", kind = "embedding", width = 3, domains = ["search"]},
  {name = "words", side = "query", kind = "multivalued", buckets = 60, max_length = 4, min_count = 3, \
domains = ["search"]},
  {name = "recent_topics", side = "query", kind = "multivalued", type = "INTEGER", buckets = 100, \
max_length = 3, table = "topic"},
  {name = "labels", side = "item", kind = "multivalued", buckets = 30, max_length = 5, \
pooling = "attention"},
  {name = "bid", side = "item", kind = "continuous"},
  {name = "price", side = "item", kind = "continuous", domains = ["shopping"]},
  {name = "goal", side = "item", kind = "categorical", buckets = 8, shallow = true},
  {name = "topic", side = "item", kind = "categorical", type = "INTEGER", buckets = 100},
]
[domains]
surfaces = ["home_feed", "search"]
products = ["standard", "shopping"]
tasks = [
  {name = "ctr", label = "clicked"},
  {name = "octr", label = "outbound_clicked", parent = "ctr", products = ["standard"]},
]
[model]
expert_widths = [16, 8]
shallow_widths = [8, 4]
router_widths = [8]
cross_layers = 1
cross_rank = 4
norm_min_rows = 4
emb_deep = {ctr = 8, octr = 4}
[training]
batch_requests = 32
loss_weights = {ctr = 2.0, octr = 1.0}
"""
DAY = date(2026, 3, 1)
REQUESTS, ADS = 90, 60


@dataclass(frozen=True)
class Exported:
    preset: Preset
    logs: Path
    shard: Shard
    model: TwoTower
    directory: Path
    info: BundleInfo


@pytest.fixture(scope="session")
def small_preset() -> Preset:
    """Two surfaces, two products, lists and encoded numbers; the item side has no vectors and no other numbers."""
    return Preset.model_validate(tomllib.loads(PRESET))


@pytest.fixture(scope="session")
def exported(small_preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    root = tmp_path_factory.mktemp("export")
    _write_logs(root / "logs")
    ref = extract_day(LogSource(root / "logs"), DAY, small_preset.declarations, root / "shards")
    shard = open_shard(Path(ref.path))
    model = seen_model(small_preset, shard)
    directory = root / "bundle"
    directory.mkdir()
    info = export_bundle(model, small_preset, directory)
    return Exported(small_preset, root / "logs", shard, model, directory, info)


def seen_model(preset: Preset, shard: Shard) -> TwoTower:
    """A model of a preset, in evaluation mode, with filled statistics."""
    model = build_model(preset.candidate, preset)
    assert isinstance(model, TwoTower)
    with torch.no_grad():
        for parameter in model.parameters():  # gates, routers and scores far from their quiet start
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    for batch in day_batches(shard, preset.declarations, 32):
        model.observe(batch)
    return model.eval()


def _write_logs(logs: Path) -> None:
    rng = np.random.default_rng(7)
    surface = rng.choice(["home_feed", "search"], REQUESTS, p=[0.7, 0.3]).tolist()
    product = rng.choice(["standard", "shopping"], ADS).tolist()
    requests = [_request(rng, number, name) for number, name in enumerate(surface)]
    ads = [_ad(rng, number, name) for number, name in enumerate(product)]
    candidates = [
        {
            "request_id": request,
            "ad_id": int(ad),
            "ctr": float(rng.uniform(0.05, 0.3)),
            "octr": 0.01 if product[ad] == "standard" else None,
            "impressed": False,
        }
        for request in range(REQUESTS)
        for ad in rng.choice(ADS, 12, replace=False)
    ]
    booleans = ["impressed", "clicked", "good_clicked", "outbound_clicked", "hidden", "repinned"]
    scores = {"request_id": pa.int64(), "ad_id": pa.int64(), "ctr": pa.float32(), "octr": pa.float32()}
    schemas = {
        "requests": {
            "request_id": pa.int64(),
            "ts": pa.timestamp("us"),
            "surface": pa.string(),
            "user_id": pa.int64(),
            "country": pa.string(),
            "activity": pa.float32(),
            "pace": pa.float32(),
            "vector": pa.list_(pa.float32()),
            "words": pa.list_(pa.string()),
            "recent_topics": pa.list_(pa.int32()),
        },
        "ads": {
            "ad_id": pa.int64(),
            "product": pa.string(),
            "goal": pa.string(),
            "bid": pa.float32(),
            "price": pa.float32(),
            "topic": pa.int32(),
            "labels": pa.list_(pa.string()),
        },
        "candidates": scores | dict.fromkeys(booleans, pa.bool_()) | {"position": pa.int32()},
    }
    for table, rows in (("requests", requests), ("ads", ads), ("candidates", candidates)):
        path = logs / table / f"date={DAY}" / "part-0.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(schemas[table])), path)


def _request(rng: np.random.Generator, number: int, surface: str) -> dict[str, Any]:
    """Lists are empty, of one value, full, and longer than declared."""
    words = [f"word {(number * 3 + k) % 17}" for k in range(number % 6)] if surface == "search" else None
    return {
        "request_id": number,
        "ts": datetime(2026, 3, 1, 12),
        "surface": surface,
        "user_id": int(rng.integers(40)),
        "country": [None, "fr", "île", "東京"][number % 4],
        "activity": [None, float("nan"), -3.5, 1e6][number % 4] if number % 3 else float(rng.exponential()),
        "pace": [None, 2.5, 2.5, float(number)][number % 4],
        "vector": rng.normal(size=3).tolist() if surface == "search" and number % 5 else None,
        "words": words,
        "recent_topics": list(range(number % 7)),
    }


def _ad(rng: np.random.Generator, number: int, product: str) -> dict[str, Any]:
    return {
        "ad_id": number,
        "product": product,
        "goal": ["click", "conversion"][number % 2],
        "bid": None if number % 7 == 0 else float(rng.lognormal()),
        "price": float(rng.lognormal(3)) if product == "shopping" else None,
        "topic": None if number % 5 == 0 else int(rng.integers(10**9)),
        "labels": None if number % 4 == 0 else [f"label {(number + k) % 9}" for k in range(number % 8)],
    }
