"""Shards: what was extracted, or refused; `tests/faults` extracts them again."""

from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import torch
from hypothesis import given
from torch import Tensor

from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.store.columns import map_batches
from tests.extract.conftest import DAY, DECLARED, hand_made_day, write_table
from tests.fuzz.damage import Damage, damaged, edits, tears
from tests.fuzz.outcome import read_or_refused


@dataclass(frozen=True)
class Known:
    """A shard."""

    shard: Shard


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    place = tmp_path_factory.mktemp("fuzz")
    for table, rows in hand_made_day().items():
        write_table(place / "logs", table, DAY, rows)
    extracted = extract_day(LogSource(place / "logs"), DAY, DECLARED, place / "shards")
    return Known(open_shard(Path(extracted.path), verify=True))


def same(one: Shard, other: Shard) -> bool:
    tensors = [field.name for field in fields(Shard) if isinstance(getattr(other, field.name), Tensor)]
    sides = [(getattr(one, side), getattr(other, side)) for side in ("query", "item")]
    return (one.day, one.fingerprint) == (other.day, other.fingerprint) and all(
        torch.equal(torch.as_tensor(found).nan_to_num(7), torch.as_tensor(expected).nan_to_num(7))
        for found, expected in (
            *((getattr(one, name), getattr(other, name)) for name in tensors),
            *((own.continuous, its.continuous) for own, its in sides),
            *((own.categorical, its.categorical) for own, its in sides),
            *((own.embedding, its.embedding) for own, its in sides),
        )
    )


@given(damage=tears | edits)
def test_a_damaged_manifest_is_refused(known: Known, damage: Damage) -> None:
    with damaged(known.shard.path / "manifest.json", damage):
        found = read_or_refused(lambda: open_shard(known.shard.path, verify=True))
    assert found is None or same(found, known.shard)


@given(changes=tears)
@pytest.mark.parametrize("name", ["candidates.arrow", "ads.arrow"])
def test_damaged_columns_are_refused(known: Known, name: str, changes: Damage) -> None:
    with damaged(known.shard.path / name, changes):
        found = read_or_refused(lambda: open_shard(known.shard.path, verify=True))
        assert found is None or same(found, known.shard)
        read_or_refused(lambda: map_batches(known.shard.path / name))
