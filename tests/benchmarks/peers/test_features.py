from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.peers.features import (
    PairColumns,
    WindowMoments,
    window_moments,
)
from mtmd.config import Preset
from mtmd.extract.window import WindowData
from mtmd.model.batch import Batch
from tests.benchmarks.peers.conftest import BATCH
from tests.train.test_feed import with_ids

LEAST = 5


def test_each_pair_has_the_ids_of_its_request_and_its_ad(
    tiny_preset: Preset, window: WindowData, batch: Batch, columns: PairColumns
) -> None:
    shard = window.shards[0]  # validation starts with the oldest day
    found = columns(batch)
    request = shard.request_row[batch.candidate].long()
    ad = shard.ad_row[batch.candidate].long()
    for rows, side, matrices in ((request, "query", shard.query), (ad, "item", shard.item)):
        schema = getattr(tiny_preset.declarations, side)
        for place, feature in enumerate(schema.categorical):
            assert found[f"{side}_{feature.name}"].tolist() == matrices.categorical[rows, place].tolist()
    assert torch.equal(found["surface"], shard.surface[request].long())
    assert torch.equal(found["product"], shard.product[ad].long())
    assert torch.equal(found["surface"] * 2 + found["product"], batch.pair_domain)


def test_missing_ids_stay_0_and_all_ids_fit_their_tables(batch: Batch, columns: PairColumns) -> None:
    found = columns(batch)
    sizes = columns.query.sizes | columns.item.sizes
    assert all(int(found[name].min()) >= 0 and int(found[name].max()) < size for name, size in sizes.items())
    only_search = found["query_query_term"][found["surface"] != 1]
    assert len(only_search)
    assert not only_search.any()


def test_ids_that_the_window_seldom_has_are_0(
    tiny_preset: Preset, window: WindowData, batch: Batch, columns: PairColumns
) -> None:
    """A user counts once a request, an ad once a candidate; those of the validation requests don't count."""
    preset = with_ids(tiny_preset, min_count=LEAST)
    rare = WindowData(window.shards, preset.declarations, validation_fraction=0.05, seed=0)
    found = PairColumns(preset.declarations, window_moments(rare, BATCH))(batch)
    plain, seen, unseen = columns(batch), counted(rare.epoch(1, BATCH)), counted(rare.validation(BATCH))
    for name in ("query_user_id", "item_ad_id"):
        admitted = torch.tensor([seen[name][i] >= LEAST for i in plain[name].tolist()])
        assert 0 < int(admitted.sum()) < len(admitted)
        assert torch.equal(found[name], torch.where(admitted, plain[name], 0))
        assert any(seen[name][i] < LEAST <= seen[name][i] + unseen[name][i] for i in plain[name].tolist())
    for name in plain.keys() - seen.keys():
        assert torch.equal(found[name], plain[name])


def counted(batches: Iterator[Batch]) -> dict[str, Counter[int]]:
    """How often each user and each ad is there, by the names of their columns."""
    users, ads = Counter[int](), Counter[int]()
    for batch in batches:
        users.update(batch.query.categorical[:, 0].tolist())
        ads.update(batch.item.categorical[batch.pair_item, 0].tolist())
    return {"query_user_id": users, "item_ad_id": ads}


def test_numbers_are_standardised_and_missing_ones_are_the_mean(
    window: WindowData, batch: Batch, columns: PairColumns
) -> None:
    shard, found = window.shards[0], columns(batch)
    rows = shard.request_row[batch.candidate].long()
    raw = torch.from_numpy(np.hstack([shard.query.continuous, shard.query.embedding]))[rows]
    numbers = found["query_numbers"]
    assert raw.isnan().any()
    assert not numbers.isnan().any()
    assert not numbers[raw.isnan()].any()
    back = numbers / columns.query.inverse + columns.query.mean
    torch.testing.assert_close(back[~raw.isnan()], raw[~raw.isnan()], rtol=1e-4, atol=1e-4)


def test_moments_are_of_the_training_requests_alone(window: WindowData, moments: WindowMoments) -> None:
    seen = torch.cat([b.query.continuous for b in window.epoch(1, BATCH)]).double()
    torch.testing.assert_close(
        moments.query.mean[: seen.shape[1]].double(), seen.nanmean(dim=0), rtol=1e-4, atol=1e-4
    )
    spread = (seen - seen.nanmean(dim=0)).square().nanmean(dim=0).sqrt()
    torch.testing.assert_close(
        moments.query.deviation[: seen.shape[1]].double(), spread, rtol=1e-3, atol=1e-3
    )
