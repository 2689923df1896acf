import pytest
import torch

from benchmarks.peers.catalogue import build_peer
from benchmarks.peers.features import PairColumns, WindowMoments
from benchmarks.peers.sizes import peer_sizes
from benchmarks.peers.train import fit_peer, validation_kl
from mtmd.config import Preset
from mtmd.errors import ConfigError
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


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone(
    name: str, tiny_preset: Preset, moments: WindowMoments
) -> None:
    state = torch.get_rng_state()
    first, second = (build_peer(name, tiny_preset, moments).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(state, torch.get_rng_state())


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


def test_deepctr_refuses_more_shared_experts_than_it_makes(tiny_preset: Preset, columns: PairColumns) -> None:
    deepctr = pytest.importorskip("benchmarks.peers.deepctr", reason="deepctr-torch is not installed")
    sizes = peer_sizes(tiny_preset)._replace(shared=2)
    with pytest.raises(ConfigError, match=r"shared experts \(2\) must not be more than a task's own \(1\)"):
        deepctr.ple(columns, tiny_preset.domains.task_names, sizes, seed=0)
