import numpy as np
import torch

from benchmarks.peers.features import Moments, PairColumns, SideColumns, WindowMoments
from benchmarks.peers.flops import first_pair
from mtmd.config import Preset
from mtmd.extract.window import WindowData
from mtmd.model.batch import Batch
from mtmd.train.step import bernoulli_kl
from tests.benchmarks.peers.conftest import BATCH
from tests.model.listed import listed_preset
from tests.model.random_batches import random_batch


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


def test_numbers_are_clipped_as_mtmds_are_and_not_with_0(tiny_preset: Preset, batch: Batch) -> None:
    width = batch.item.continuous.shape[1] + batch.item.embedding.shape[1]
    narrow = Moments(torch.zeros(width), torch.full((width,), 1e-3))
    clipped, free = (SideColumns(tiny_preset.declarations.item, narrow, clip) for clip in (10.0, 0.0))
    far = free(batch.item)["item_numbers"]
    assert far.max() > 10.0 > -10.0 > far.min()
    torch.testing.assert_close(clipped(batch.item)["item_numbers"], far.clamp(-10.0, 10.0), rtol=0, atol=0)


def test_a_column_without_a_spread_is_0(tiny_preset: Preset, batch: Batch) -> None:
    width = batch.item.continuous.shape[1] + batch.item.embedding.shape[1]
    side = SideColumns(tiny_preset.declarations.item, Moments(torch.zeros(width), torch.zeros(width)), 10.0)
    assert not side(batch.item)["item_numbers"].any()


def test_labels_are_the_teacher_scores_and_octr_is_masked_on_shopping(
    window: WindowData, batch: Batch, columns: PairColumns
) -> None:
    shopping = columns(batch)["product"] == 1
    assert torch.equal(batch.teacher[:, :2], window.shards[0].teacher[batch.candidate, :2])
    assert torch.equal(batch.teacher[:, 2].isnan(), shopping)
    log_p = torch.full_like(batch.teacher, -1.0, requires_grad=True)
    bernoulli_kl(log_p, batch.teacher).sum().backward()  # type: ignore[no-untyped-call]
    assert log_p.grad is not None
    assert not log_p.grad[shopping, 2].any()
    assert log_p.grad[~shopping, 2].all()


def test_lists_are_pooled_beside_the_numbers_and_0_where_missing() -> None:
    preset = listed_preset()
    schema = preset.declarations.query
    columns = SideColumns(schema, Moments(torch.zeros(4), torch.ones(4), listed_edges()), 10.0)
    assert columns.width == 1 + (3 + 2 + 2) + 3 + 4 + 4 + 2  # a plain number, encoded ones, lists
    assert len(columns.sizes) == 2  # country and the surface: no list is an id
    side = random_batch(preset.declarations).query
    numbers = columns(side)["query_numbers"]
    assert numbers.shape == (21, columns.width)
    ads = side.lists[1]
    assert not numbers[ads.lengths == 0, 11:15].any()
    (row,) = (ads.lengths > 1).nonzero()[0]
    own = columns.tables[1](ads.take(row[None]).ids).mean(dim=0)
    torch.testing.assert_close(numbers[row, 11:15], own)
    first = first_pair(random_batch(preset.declarations))
    torch.testing.assert_close(columns(first.query)["query_numbers"], numbers[:1])


def listed_edges() -> tuple[torch.Tensor, ...]:
    """Of spend, in four bins, and of wait and rank, in three."""
    three = torch.tensor([-1.0, 1.0, 2.0, 3.0])
    return torch.tensor([[-1.0, 0.0, 1.0, 2.0, torch.inf]]), torch.stack([three, three])


def test_encoded_numbers_lie_beside_the_others_and_are_0_where_missing() -> None:
    schema = listed_preset().declarations.query
    columns = SideColumns(schema, Moments(torch.zeros(4), torch.ones(4), listed_edges()), 10.0)
    side = random_batch(listed_preset().declarations, seed=1).query
    numbers = columns(side)["query_numbers"]
    torch.testing.assert_close(numbers[:, 0], side.continuous[:, 0].nan_to_num())
    spend, missing = side.continuous[:, 1], side.continuous[:, 1].isnan()
    assert missing.any()
    assert not numbers[missing, 1:4].any()
    (row,) = (spend > 2.0).nonzero()[0]
    torch.testing.assert_close(
        numbers[row, 1:4], columns.encodings.groups[0].get_parameter("weight")[0, 0, 3]
    )
