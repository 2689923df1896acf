"""Models in the place of the lightweight ranker."""

import numpy as np
import pytest
import torch

from mtmd.config import Preset, SideSchema
from mtmd.extras.abtest import stage
from mtmd.extras.abtest.funnel import Traffic
from mtmd.extras.abtest.stage import ModelRanker
from mtmd.logs.encoding import encode
from mtmd.model.batch import Batch, SideInput
from mtmd.model.ranker import build_model
from mtmd.sources.simulated.outcomes import TASKS
from tests.extras.abtest.made import tiny_traffic


def one_row(table: object, schema: SideSchema, row: int, domain: int, seed: int) -> SideInput:
    encoded = encode(table.slice(row, 1), schema, seed)  # type: ignore[attr-defined]
    counts = [int(place == domain) for place in range(len(schema.domains))]
    return SideInput(
        torch.from_numpy(encoded.continuous),
        torch.from_numpy(encoded.categorical).long(),
        torch.from_numpy(encoded.embedding),
        tuple(counts),
    )


def alone(model: torch.nn.Module, preset: Preset, traffic: Traffic, pair: int) -> list[float]:
    """The model's chances of one pair that is the only one of its batch."""
    request, ad = int(traffic.pairs.request[pair]), int(traffic.pairs.ad[pair])
    surface, product = int(traffic.requests.surface[request]), int(traffic.ads.product[ad])
    own = preset.declarations
    batch = Batch(
        query=one_row(traffic.request_rows, own.query, request, surface, own.hash_seed),
        item=one_row(traffic.ad_rows, own.item, ad, product, own.hash_seed),
        pair_query=torch.tensor([0]),
        pair_item=torch.tensor([0]),
        pair_domain=torch.tensor([surface * 2 + product]),
        teacher=torch.full((1, len(own.domains.tasks)), torch.nan),
        candidate=torch.tensor([0]),
    )
    with torch.inference_mode():
        found = model(batch)[0].exp().tolist()
    return [found[own.domains.task_names.index(task)] for task in TASKS]


@pytest.mark.parametrize("kind", ["mtmd", "per_slice", "pooled"])
def test_a_pair_is_scored_as_if_it_were_alone(
    kind: str, tiny_preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several batches, whatever the order of surfaces and products."""
    preset = tiny_preset
    monkeypatch.setattr(stage, "_REQUESTS_AT_ONCE", 110)
    traffic, model = tiny_traffic(), build_model(kind, preset)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    scores = ModelRanker(model, preset.declarations)(traffic)
    assert scores.dtype == np.float32
    assert scores[:, 0].std() > 0.001
    for pair in range(5, len(scores), len(scores) // 9):
        np.testing.assert_allclose(scores[pair], alone(model, preset, traffic, pair), rtol=1e-4)
