"""Which peers there are, what each needs installed, and the learning rate it is trained with."""

import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, NamedTuple

import torch

from benchmarks.peers.features import PairColumns, Peer, WindowMoments
from benchmarks.peers.sizes import peer_sizes
from mtmd.config import Preset
from mtmd.errors import ConfigError

Input = Literal["flat pairs", "two towers"]


class Library(NamedTuple):
    """A library: the module that is imported, what pip is asked for, and our module that adapts it."""

    module: str
    requirement: str  # also in pyproject.toml, as the extra `peers`
    adapter: str


class Entry(NamedTuple):
    """A peer: its library, the adapter's function that builds it, and the recipe it is trained with.

    The learning rate is the best on the demo's validation slice among those that were tried (docs/results.md).
    Precision `auto` is bfloat16 on processors that multiply it natively: as good as float32 there and twice as fast,
    but for towers as light as torch-rechub's, which it only slows.
    """

    library: Library
    builder: str
    input: Input
    learning_rate: float
    precision: Literal["auto", "float32"] = "auto"


RECHUB = Library("torch_rechub", "torch-rechub>=0.9", "benchmarks.peers.rechub")
DEEPCTR = Library("deepctr_torch", "deepctr-torch>=0.3", "benchmarks.peers.deepctr")

PEERS = {
    "rechub-mmoe": Entry(RECHUB, "mmoe", "flat pairs", 4e-3),
    "rechub-ple": Entry(RECHUB, "ple", "flat pairs", 4e-3),
    "rechub-two-tower": Entry(RECHUB, "two_tower", "two towers", 2e-3, "float32"),
    "deepctr-mmoe": Entry(DEEPCTR, "mmoe", "flat pairs", 8e-3),
    "deepctr-ple": Entry(DEEPCTR, "ple", "flat pairs", 8e-3),
}


def chosen_peers(only: Sequence[str]) -> tuple[str, ...]:
    """The named peers, or all; raises ConfigError for a name that there is not."""
    if unknown := [name for name in only if name not in PEERS]:
        raise ConfigError(f"peers {unknown} are not known; use some of {list(PEERS)}")
    return tuple(name for name in PEERS if not only or name in only)


def installed(name: str) -> bool:
    """Whether the peer's library is there; it is not imported for that."""
    return find_spec(PEERS[name].library.module) is not None


def missing_note(names: Sequence[str]) -> str | None:
    """What is left out because it is not installed, and the command that installs it; None if nothing is."""
    absent = [name for name in names if not installed(name)]
    if not absent:
        return None
    requirements = " ".join(dict.fromkeys(f"'{PEERS[name].library.requirement}'" for name in absent))
    return f"not installed, left out: {', '.join(absent)}\n  {sys.executable} -m pip install {requirements}"


def build_peer(name: str, preset: Preset, moments: WindowMoments, widths: Sequence[int] = ()) -> Peer:
    """A new peer, its weights drawn from the preset's training seed; the global generator is left alone.

    Raises ConfigError for fewer than two tasks: these are multi-task models, and deepctr-torch's refuse one.
    """
    if len(preset.domains.tasks) < 2:
        raise ConfigError(
            f"preset {preset.name!r} has {len(preset.domains.tasks)} task; the peers need two or more"
        )
    entry, seed = PEERS[name], preset.training.seed
    adapter = importlib.import_module(entry.library.adapter)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        columns = PairColumns(preset.declarations, moments, preset.model.clip)
        peer: Peer = getattr(adapter, entry.builder)(
            columns, preset.domains.task_names, peer_sizes(preset, widths), seed
        )
    return peer
