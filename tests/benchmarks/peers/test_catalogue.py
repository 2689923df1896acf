import pytest
import torch

from benchmarks.peers.catalogue import build_peer
from benchmarks.peers.features import WindowMoments
from benchmarks.peers.train import fit_peer, validation_kl
from mtmd.config import Preset
from mtmd.extract.window import WindowData
from mtmd.model.batch import Batch
from tests.benchmarks.peers.stand_ins import Seen
from tests.train.windows import with_training


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


def test_training_a_peer_helps(
    name: str, tiny_preset: Preset, window: WindowData, moments: WindowMoments
) -> None:
    peer = build_peer(name, tiny_preset, moments)
    peer.initialise_bias(window.base_rates())
    seen, preset = Seen(window), with_training(tiny_preset, epochs=15, patience=15)
    before = validation_kl(peer, seen, preset)
    fit = fit_peer(peer, seen, preset, 0.01, "float32")
    assert fit.validation_kl < 0.5 * before
    assert fit.rows_per_s > 0
