"""Means over candidates: by hand on three rows, and against a plain loop on a whole day."""

import numpy as np
import pytest
import torch

from mtmd.config import Preset
from mtmd.extract.shards import Shard
from mtmd.extract.window import day_batches
from mtmd.model.batch import SideInput
from mtmd.model.build import build_model
from mtmd.model.towers import TowerTrace
from mtmd.model.two_tower import MTMD
from mtmd.report.page.towers import add_batch, trace_means
from tests.evaluate.conftest import declarations, make_shard  # noqa: F401 - fixtures


@pytest.fixture
def shard(make_shard) -> Shard:  # noqa: F811 - the fixture
    return make_shard()


@pytest.fixture
def model(tiny_preset: Preset) -> MTMD:
    model = build_model("mtmd", tiny_preset)
    assert isinstance(model, MTMD)
    return model


def test_a_row_counts_as_often_as_it_was_scored() -> None:
    """Rows 0 and 1 of domain 0 with 3 candidates and 1: (3 · 1.0 + 1 · 2.0) / 4 = 1.25; domain 1 has 0.5."""
    side = SideInput(torch.empty(3, 0), torch.empty(3, 0, dtype=torch.int64), torch.empty(3, 0), (2, 1))
    trace = TowerTrace(
        packed=torch.empty(3, 0),
        gates=torch.tensor([[1.0], [2.0], [0.5]]),
        routing=torch.tensor([[[0.2, 0.8]], [[0.6, 0.4]], [[0.5, 0.5]]]),
    )
    sums: dict[str, torch.Tensor] = {}
    add_batch(sums, side, trace, torch.tensor([0, 0, 0, 1, 2, 2]))
    add_batch(sums, side, trace, torch.tensor([0, 1, 2]))
    assert sums["candidates"].tolist() == [6.0, 3.0]
    assert (sums["gates"][:, 0] / sums["candidates"]).tolist() == pytest.approx(
        [(4 * 1.0 + 2 * 2.0) / 6, 0.5]
    )
    routing = (sums["routing"][:, 0, 0] / sums["candidates"]).tolist()
    assert routing == pytest.approx([(4 * 0.2 + 2 * 0.6) / 6, 0.5])


def test_means_are_those_of_a_plain_loop_over_candidates(
    model: MTMD, shard: Shard, tiny_preset: Preset
) -> None:
    model.eval()
    seen: dict[int, list[np.ndarray]] = {}
    with torch.inference_mode():
        (batch,) = day_batches(shard, tiny_preset.declarations, 1024)
        trace = model.trace_items(batch.item)
        product = np.repeat(np.arange(2), batch.item.counts)
        for row in batch.pair_item.tolist():
            seen.setdefault(int(product[row]), []).append(trace.routing[row].numpy())
    _, item = trace_means(model, shard, tiny_preset)
    for domain, rows in seen.items():
        assert item.candidates[domain] == len(rows)
        np.testing.assert_allclose(item.routing[domain], np.mean(rows, axis=0), atol=1e-6)


def test_means_do_not_depend_on_the_batches(model: MTMD, shard: Shard, tiny_preset: Preset) -> None:
    for whole, pieces in zip(
        trace_means(model, shard, tiny_preset), trace_means(model, shard, tiny_preset, 3), strict=True
    ):
        np.testing.assert_allclose(whole.gates, pieces.gates, atol=1e-6)
        np.testing.assert_allclose(whole.routing, pieces.routing, atol=1e-6)
        np.testing.assert_array_equal(whole.candidates, pieces.candidates)


def test_weights_sum_to_one_and_what_a_domain_lacks_is_not_a_number(
    model: MTMD, shard: Shard, tiny_preset: Preset
) -> None:
    model.train()
    query, item = trace_means(model, shard, tiny_preset)
    assert model.training
    assert query.candidates.sum() == item.candidates.sum() == shard.candidates
    np.testing.assert_allclose(query.routing.sum(axis=2), 1.0)
    assert np.isnan(item.routing[1, 2]).all()  # octr on shopping
    assert query.experts == ("deep", "task_shared", "domain_shared")
    assert np.isnan(query.gates[1, query.features.index("history_length")])  # only home_feed has it
    assert np.isfinite(query.gates[0, query.features.index("history_length")])
    assert np.isfinite(item.gates[:, item.features.index("bid")]).all()


def test_a_domain_without_candidates_is_not_a_number(
    model: MTMD,
    make_shard,  # noqa: F811 - the fixture
    tiny_preset: Preset,
) -> None:
    shard = make_shard(requests=2)
    query, _ = trace_means(model, shard, tiny_preset)
    empty = [s for s in range(3) if s not in shard.surface.tolist()]
    assert len(empty) >= 1
    assert np.isnan(query.gates[empty]).all()
    assert (query.candidates[empty] == 0).all()
