"""Batches: the hand-made day's numbers, and a plain re-computation by keys on a simulated day."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from mtmd.config import Declarations, Preset
from mtmd.extract.batches import day_batches, gather_batch
from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.model.batch import Batch

NAN = float("nan")
FIRST_DAY = date(2026, 1, 1)


def test_a_batch_has_distinct_rows_sorted_by_domain(shard: Shard, declarations: Declarations) -> None:
    batch = gather_batch(shard, torch.tensor([0, 3]), declarations)  # requests 11 (home_feed), 12 (search)
    assert batch.query.counts == (1, 1)
    assert batch.item.counts == (2, 1)  # ads 7 and 9 (standard), 5 (shopping)
    assert batch.candidate.tolist() == [0, 3, 4]
    assert batch.pair_query.tolist() == [0, 1, 1]
    assert batch.pair_item.tolist() == [1, 0, 2]
    assert batch.pair_domain.tolist() == [0, 2, 3]
    torch.testing.assert_close(
        batch.teacher, torch.tensor([[0.0625, 0.03125], [0.375, 0.25], [0.5, NAN]]), equal_nan=True
    )
    torch.testing.assert_close(batch.item.continuous, torch.tensor([[1.5], [1.5], [NAN]]), equal_nan=True)
    assert batch.query.categorical.tolist() == shard.query.categorical[[0, 3]].tolist()
    assert batch.query.categorical.dtype == torch.int64


@pytest.fixture(scope="module")
def tiny_shard(tiny_logs: Path, tiny_preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> Shard:
    shards = tmp_path_factory.mktemp("shards")
    return open_shard(
        Path(extract_day(LogSource(tiny_logs), FIRST_DAY, tiny_preset.declarations, shards).path)
    )


def raw(logs: Path, table: str) -> list[dict[str, Any]]:
    paths = sorted((logs / table / f"date={FIRST_DAY}").glob("*.parquet"))
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


def test_every_pair_leads_back_to_its_raw_rows(
    tiny_shard: Shard, tiny_logs: Path, tiny_preset: Preset
) -> None:
    domains = tiny_preset.domains
    requests = {row["request_id"]: row for row in raw(tiny_logs, "requests")}
    ads = {row["ad_id"]: row for row in raw(tiny_logs, "ads")}
    candidates = {(row["request_id"], row["ad_id"]): row for row in raw(tiny_logs, "candidates")}
    seen = set()
    for batch in day_batches(tiny_shard, tiny_preset.declarations, 37):
        check_features(batch, tiny_shard)
        for pair, candidate in enumerate(batch.candidate.tolist()):
            key = (
                tiny_shard.request_id[tiny_shard.request_row[candidate]].item(),
                tiny_shard.ad_id[tiny_shard.ad_row[candidate]].item(),
            )
            seen.add(key)
            row = candidates[key]
            domain = domains.domains[int(batch.pair_domain[pair])]
            assert domain == (requests[key[0]]["surface"], ads[key[1]]["product"])
            expected = torch.tensor([NAN if row[t] is None else row[t] for t in domains.task_names])
            torch.testing.assert_close(batch.teacher[pair], expected, equal_nan=True)
            labels = [-1 if row[t.label] is None else int(row[t.label]) for t in domains.tasks]
            assert tiny_shard.labels[candidate].tolist() == labels
    assert seen == set(candidates)


def check_features(batch: Batch, shard: Shard) -> None:
    request_row = shard.request_row[batch.candidate].long()
    ad_row = shard.ad_row[batch.candidate].long()
    for name in ("continuous", "categorical", "embedding"):
        query, item = getattr(batch.query, name), getattr(batch.item, name)
        torch.testing.assert_close(
            query[batch.pair_query],
            torch.from_numpy(getattr(shard.query, name))[request_row].to(query.dtype),
            equal_nan=True,
        )
        torch.testing.assert_close(
            item[batch.pair_item],
            torch.from_numpy(getattr(shard.item, name))[ad_row].to(item.dtype),
            equal_nan=True,
        )
    assert len(batch.item.continuous) == sum(batch.item.counts) == len(ad_row.unique())
    assert len(batch.query.continuous) == sum(batch.query.counts) == len(request_row.unique())
