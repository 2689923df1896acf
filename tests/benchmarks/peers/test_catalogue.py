import pytest
import torch

from benchmarks.peers.catalogue import build_peer
from benchmarks.peers.features import WindowMoments
from mtmd.config import Preset
from mtmd.extract.window import WindowData
from mtmd.model.batch import Batch


def test_a_peer_scores_every_pair_and_starts_at_the_base_rates(
    name: str, tiny_preset: Preset, window: WindowData, moments: WindowMoments, batch: Batch
) -> None:
    peer = build_peer(name, tiny_preset, moments)
    peer.initialise_bias(window.base_rates())
    with torch.no_grad():
        log_p = peer.eval()(batch)
    assert log_p.shape == batch.teacher.shape
    assert log_p.dtype == torch.float32
    assert bool((log_p < 0).all())
    rates = window.base_rates().nanmean(dim=0)
    assert log_p.mean(dim=0).exp().tolist() == pytest.approx(rates.tolist(), rel=0.6)
