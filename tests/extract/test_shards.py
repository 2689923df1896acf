"""The hand-made day as a shard, number by number, and shards that do not verify."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from mtmd.config import Declarations
from mtmd.errors import LogsError, StorageError
from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.features.categorical import hash_bucket
from mtmd.logs.source import LogSource
from mtmd.store.files import read_json
from tests.extract.conftest import DAY

NAN = float("nan")
LN4 = 1.3862943611198906  # log1p(3)


def equal(found: torch.Tensor | np.ndarray, expected: list[object]) -> None:
    own = torch.as_tensor(found)
    torch.testing.assert_close(own, torch.tensor(expected, dtype=own.dtype), equal_nan=True)


def test_rows_are_sorted_and_linked_by_number(shard: Shard) -> None:
    """Requests by surface, then id; ads, the whole snapshot, by product, then id; candidates by both rows."""
    assert shard.request_id.tolist() == [11, 13, 10, 12]
    assert shard.surface.tolist() == [0, 0, 1, 1]
    assert shard.candidate_count.tolist() == [1, 0, 2, 2]
    assert shard.candidate_start.tolist() == [0, 1, 1, 3]
    assert shard.ts.tolist() == [1_772_366_400_000_000] * 4  # 2026-03-01 12:00 UTC
    assert shard.ad_id.tolist() == [7, 9, 5, 6]
    assert shard.product.tolist() == [0, 0, 1, 1]
    assert shard.request_row.tolist() == [0, 2, 2, 3, 3]
    assert shard.ad_row.tolist() == [1, 0, 2, 0, 2]
    assert shard.domain(products=2).tolist() == [0, 2, 3, 2, 3]


def test_scores_keep_their_nulls_as_nan_and_labels_are_minus_one_where_unobserved(shard: Shard) -> None:
    equal(shard.teacher, [[0.0625, 0.03125], [0.25, 0.125], [0.75, NAN], [0.375, 0.25], [0.5, NAN]])
    assert shard.labels.tolist() == [[0, 0], [-1, -1], [-1, -1], [1, 1], [1, -1]]
    assert shard.impressed.tolist() == [1, 0, 0, 1, 1]
    assert shard.position.tolist() == [1, -1, -1, 1, 2]


def test_a_task_that_learns_from_actions_takes_the_labels_of_shown_ads_and_needs_no_score(
    logs: Path, tmp_path: Path, declarations: Declarations
) -> None:
    for path in logs.glob("candidates/*/*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["ctr"]), path)
    ctr = declarations.domains.tasks[0].model_copy(update={"learn_from": "actions"})
    domains = declarations.domains.model_copy(update={"tasks": (ctr, declarations.domains.tasks[1])})
    learning = declarations.model_copy(update={"domains": domains})
    own = open_shard(Path(extract_day(LogSource(logs), DAY, learning, tmp_path / "shards").path))
    equal(own.teacher, [[0, 0.03125], [NAN, 0.125], [NAN, NAN], [1, 0.25], [1, NAN]])
    with pytest.raises(LogsError, match=r"ctr \(missing; must be FLOAT\)"):
        extract_day(LogSource(logs), DAY, declarations, tmp_path / "shards")


def test_query_features_are_encoded_once_per_request(shard: Shard) -> None:
    france = hash_bucket(3, "country", "fr", 50)
    seven, eight = hash_bucket(3, "user_id", "7", 1000), hash_bucket(3, "user_id", "8", 1000)
    equal(shard.query.continuous, [[NAN], [LN4], [-LN4], [LN4]])
    assert shard.query.categorical.tolist() == [[seven, france], [seven, france], [eight, france], [seven, 0]]
    equal(shard.query.embedding, [[0.5, -0.5], [0.5, -0.5], [1, 2], [NAN, NAN]])


def test_item_features_are_encoded_once_per_ad_and_a_width_of_zero_is_a_tensor_too(shard: Shard) -> None:
    click, four = hash_bucket(3, "goal", "click", 8), hash_bucket(3, "topic", "4", 100)
    equal(shard.item.continuous, [[1.5], [1.5], [NAN], [1.5]])
    assert shard.item.categorical.tolist() == [[click, four], [click, 0], [click, four], [click, four]]
    assert shard.item.embedding.shape == (4, 0)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("ads.arrow", b"short", r"ads\.arrow has 5 bytes; its manifest says \d+"),
        ("candidates.arrow", None, r"candidates\.arrow has None bytes"),
        ("manifest.json", None, r"manifest\.json does not exist"),
    ],
)
def test_a_shard_that_is_not_whole_does_not_open(
    shard: Shard, name: str, content: bytes | None, words: str
) -> None:
    (shard.path / name).unlink()
    if content is not None:
        (shard.path / name).write_bytes(content)
    with pytest.raises(StorageError, match=words):
        open_shard(shard.path)


def test_an_altered_file_does_not_verify(shard: Shard) -> None:
    file = shard.path / "requests.arrow"
    ids = np.array([11, 13, 10, 12], np.int64).tobytes()
    file.write_bytes(file.read_bytes().replace(ids, ids.replace(b"\x0b", b"\x0c")))
    assert open_shard(shard.path).request_id.tolist() == [12, 13, 10, 12]
    with pytest.raises(StorageError, match=r"requests\.arrow differs from its manifest's sha256"):
        open_shard(shard.path, verify=True)


def test_a_shard_of_another_format_does_not_open(shard: Shard) -> None:
    manifest = shard.path / "manifest.json"
    manifest.write_text(json.dumps(read_json(manifest) | {"format": 0}))
    with pytest.raises(StorageError, match="has format 0; this code reads"):
        open_shard(shard.path)
