import torch

from benchmarks.peers.features import PairColumns, WindowMoments
from mtmd.config import Preset
from mtmd.extract.window import WindowData
from mtmd.model.batch import Batch
from tests.benchmarks.peers.conftest import BATCH


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


def test_moments_are_of_the_training_requests_alone(window: WindowData, moments: WindowMoments) -> None:
    seen = torch.cat([b.query.continuous for b in window.epoch(1, BATCH)]).double()
    torch.testing.assert_close(
        moments.query.mean[: seen.shape[1]].double(), seen.nanmean(dim=0), rtol=1e-4, atol=1e-4
    )
    spread = (seen - seen.nanmean(dim=0)).square().nanmean(dim=0).sqrt()
    torch.testing.assert_close(
        moments.query.deviation[: seen.shape[1]].double(), spread, rtol=1e-3, atol=1e-3
    )
