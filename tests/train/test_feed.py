"""Batches on their way to the model: values that are dropped, and batches that a thread makes ahead."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mtmd.config import Preset
from mtmd.model import batch as batch_module
from mtmd.model.batch import Batch, on_device, with_dropped_values
from mtmd.train.trainer import fit
from tests.model.random_batches import random_batch
from tests.train.windows import RandomWindow

SHARE = 0.3


@pytest.fixture(scope="module")
def dropping(tiny_preset: Preset) -> Preset:
    """User and ad ids are dropped."""
    return with_ids(tiny_preset, min_count=1, dropout=SHARE)


def with_ids(preset: Preset, **keys: float | None) -> Preset:
    features = [
        feature.model_dump() | (keys if feature.name in {"user_id", "ad_id"} else {})
        for feature in preset.features
    ]
    return Preset.model_validate(preset.model_dump() | {"features": features})


def test_a_share_of_the_values_of_these_features_is_missing_and_nothing_else(dropping: Preset) -> None:
    declarations = dropping.declarations
    before = random_batch(declarations, query_counts=(900, 500, 700), item_counts=(1100, 800))
    (after,) = with_dropped_values([before], declarations, (0, 1, 1))
    for schema, own, changed in (
        (declarations.query, before.query, after.query), (declarations.item, before.item, after.item),
    ):  # fmt: skip
        for column, feature in enumerate(schema.categorical):
            lost = (own.categorical[:, column] > 0) & (changed.categorical[:, column] == 0)
            kept = own.categorical[:, column] == changed.categorical[:, column]
            assert bool((lost | kept).all())
            share = float(lost.sum() / (own.categorical[:, column] > 0).sum())
            # Five standard errors of some 1,500 values.
            wanted, error = (SHARE, 0.06) if feature.dropout else (0.0, 0.0)
            assert share == pytest.approx(wanted, abs=error)
        assert replace(changed, categorical=own.categorical) == own
    assert after.teacher is before.teacher


def test_the_seed_decides_which(dropping: Preset) -> None:
    batch = random_batch(dropping.declarations)

    def dropped(*seed: int) -> list[list[int]]:
        both = with_dropped_values([batch, batch], dropping.declarations, seed)
        return [one.query.categorical.flatten().tolist() for one in both]

    assert dropped(0, 1) == dropped(0, 1)
    assert len({str(dropped(*which)) for which in ((0, 1), (0, 2), (1, 1))}) == 3
    first, second = dropped(0, 1)
    assert first != second


def test_a_new_value_reads_what_was_learned_from_dropped_ones(dropping: Preset, tmp_path: Path) -> None:
    """No row of the window lacks its ids, so that without dropout the default of a missing one would stay 0."""
    data = RandomWindow(dropping.declarations)
    query, item = (
        [feature.name for feature in side.categorical].index(name)
        for side, name in ((dropping.declarations.query, "user_id"), (dropping.declarations.item, "ad_id"))
    )
    for batch in data.training:
        batch.query.categorical[:, query].clamp_(min=1)
        batch.item.categorical[:, item].clamp_(min=1)
    model, _ = fit("pooled", data, dropping, tmp_path / "dropping")
    without, _ = fit("pooled", data, with_ids(dropping, dropout=None), tmp_path / "plain")
    batch = random_batch(dropping.declarations)
    batch.query.categorical[:, query] = 0
    batch.item.categorical[:, item] = 0
    assert not torch.allclose(model(batch)[:, 0], without(batch)[:, 0])


def test_batches_made_ahead_keep_their_order_and_an_error_comes_after_those_before_it(
    tiny_preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that needs no GPU, and so no pinned memory."""
    monkeypatch.setattr(batch_module, "_pinned", lambda batch: batch)
    batch = random_batch(tiny_preset.declarations)

    def numbered(count: int) -> Iterator[Batch]:
        for number in range(count):
            yield replace(batch, pair_domain=torch.empty(number))
        raise OSError("a shard is gone")

    seen: list[int] = []
    with pytest.raises(OSError, match="a shard is gone"):
        seen.extend(len(one.pair_domain) for one in on_device(numbered(7), torch.device("meta")))
    assert seen == list(range(7))
    assert len(list(on_device([batch], torch.device("meta")))) == 1
