"""Lists of a day, written batch by batch and mapped again; and a whole shard of them with its batches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract import database
from mtmd.extract.batches import gather_batch
from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.features import feature
from mtmd.features.categorical import hash_bucket
from mtmd.logs.source import LogSource
from tests.extract.conftest import DAY, SCHEMAS, hand_made_day, write_table

WORDS = feature(name="words", side="query", kind="multivalued", buckets=50, max_length=2)
TOPICS = feature(
    name="topics", side="query", kind="multivalued", type="INTEGER", buckets=100, max_length=3, table="topic"
)
LISTS: dict[int, tuple[list[str] | None, list[int] | None]] = {  # words and topics by request_id
    10: (["a", "b", "c"], [4]),
    11: (None, [9, 4, 4]),
    12: ([], None),
    13: (["b"], []),
}


@pytest.fixture
def listed(declarations: Declarations) -> Declarations:
    return Declarations(
        domains=declarations.domains,
        features=(*declarations.features, WORDS, TOPICS),
        hash_seed=declarations.hash_seed,
    )


@pytest.fixture
def listed_logs(tmp_path: Path) -> Callable[..., Path]:
    """The hand-made day with lists, of which those of topics may be others."""

    def write(**topics_of: list[int | None]) -> Path:
        columns = {"words": pa.list_(pa.string()), "topics": pa.list_(pa.int32())}
        schemas = SCHEMAS | {"requests": pa.schema([*SCHEMAS["requests"], *columns.items()])}
        root = tmp_path / "listed"
        for table, rows in hand_made_day().items():
            for row in rows if table == "requests" else ():
                words, topics = LISTS[row["request_id"]]
                row |= {"words": words, "topics": topics_of.get(f"of_{row['request_id']}", topics)}
            write_table(root, table, DAY, rows, schema=schemas[table])
        return root

    return write


@pytest.fixture
def listed_shard(listed: Declarations, listed_logs: Callable[..., Path], tmp_path: Path) -> Shard:
    ref = extract_day(LogSource(listed_logs()), DAY, listed, tmp_path / "shards")
    return open_shard(Path(ref.path), verify=True)


def hashed(feature: str, buckets: int, *values: object) -> list[int]:
    return [hash_bucket(3, feature, str(value), buckets) for value in values]


def test_a_shard_has_the_first_values_of_each_list_in_the_order_of_its_rows(listed_shard: Shard) -> None:
    words, topics = listed_shard.query.lists
    assert listed_shard.request_id.tolist() == [11, 13, 10, 12]
    assert words.length.tolist() == [0, 1, 2, 0]
    assert topics.length.tolist() == [3, 0, 1, 0]
    every = np.arange(4)
    assert words.take(every).ids.tolist() == hashed("words", 50, "b", "a", "b")
    assert topics.take(every).ids.tolist() == hashed("topic", 100, 9, 4, 4, 4)


def test_a_batch_has_the_lists_of_its_requests(listed_shard: Shard, listed: Declarations) -> None:
    batch = gather_batch(listed_shard, torch.tensor([0, 2]), listed)  # requests 11 and 10
    words, topics = batch.query.lists
    assert (words.lengths.tolist(), words.ids.tolist()) == ([0, 2], hashed("words", 50, "a", "b"))
    assert topics.lengths.tolist() == [3, 1]
    assert topics.ids.dtype == torch.int64
    assert batch.item.lists == ()


def test_shards_are_the_same_bytes_again(
    listed: Declarations,
    listed_logs: Callable[..., Path],
    listed_shard: Shard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many rows are read at a time."""
    monkeypatch.setattr(database, "_ROWS", 2)
    again = extract_day(LogSource(listed_logs()), DAY, listed, tmp_path / "other")
    for file in sorted(listed_shard.path.glob("*.arrow")):
        assert (Path(again.path) / file.name).read_bytes() == file.read_bytes()


def test_a_null_in_a_list_stops_the_extraction(
    listed: Declarations, listed_logs: Callable[..., Path], tmp_path: Path
) -> None:
    logs = LogSource(listed_logs(of_11=[1, None]))
    with pytest.raises(LogsError, match=f"logs of {DAY}: feature 'topics' has 1 nulls inside of lists"):
        extract_day(logs, DAY, listed, tmp_path / "shards")
