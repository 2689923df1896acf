"""Which peers there are, the recipe that each is trained with, and the options that change it.

`features` turns our batches into the peers' inputs, `deepctr` holds the library, `train` trains a peer as MTMD is
trained. `benchmarks.equal_cost` compares them with MTMD.
"""

import argparse
import importlib
from collections.abc import Sequence
from importlib.util import find_spec

import torch

from benchmarks.peers.features import PairColumns, Peer, WindowMoments
from benchmarks.peers.sizes import peer_sizes
from mtmd.config import Preset
from mtmd.errors import ConfigError

LIBRARY = "deepctr_torch"
# The learning rate of each is the best on the demo's validation requests among those that were tried.
PEERS = {"deepctr-mmoe": ("mmoe", 8e-3), "deepctr-ple": ("ple", 8e-3)}


def installed() -> bool:
    """Whether the peers' library is there; it is not imported for that."""
    return find_spec(LIBRARY) is not None


def build_peer(name: str, preset: Preset, moments: WindowMoments, widths: Sequence[int] = ()) -> Peer:
    """A new peer, its weights drawn from the preset's training seed; the global generator is left alone.

    Raises ConfigError for fewer than two tasks: these are multi-task models, and deepctr-torch's refuse one.
    """
    if len(preset.domains.tasks) < 2:
        raise ConfigError(
            f"preset {preset.name!r} has {len(preset.domains.tasks)} task; the peers need two or more"
        )
    adapter, seed = importlib.import_module("benchmarks.peers.deepctr"), preset.training.seed
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        columns = PairColumns(preset.declarations, moments)
        peer: Peer = getattr(adapter, PEERS[name][0])(
            columns, preset.domains.task_names, peer_sizes(preset, widths), seed
        )
    return peer


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """`--learning-rate` and `--widths`."""
    parser.add_argument(
        "--learning-rate", nargs="+", default=(), metavar="NAME=LR", help="a peer's, instead of the table's"
    )
    parser.add_argument(
        "--widths",
        type=int,
        nargs="+",
        default=(),
        metavar="W",
        help="of a peer's experts or towers, layer by layer; those of the per-slice baselines when left out",
    )


def learning_rates(options: argparse.Namespace, chosen: Sequence[str]) -> dict[str, float]:
    """The chosen peers' learning rates: what `--learning-rate` gives, or else the catalogue's.

    Raises ConfigError for a pair that is not `NAME=LR`, and for a name that is not chosen.
    """
    rates = {name: PEERS[name][1] for name in chosen}
    for pair in options.learning_rate:
        name, _, value = pair.partition("=")
        try:
            rate = float(value)
        except ValueError:
            raise ConfigError(
                f"learning rate {pair!r} must be NAME=NUMBER, such as {chosen[0]}=1e-3"
            ) from None
        if name not in chosen or not rate > 0:
            raise ConfigError(f"learning rate {pair!r} must be a positive one of {list(chosen)}")
        rates[name] = rate
    return rates


def require_widths(widths: Sequence[int]) -> None:
    """Raise ConfigError for a width that no layer can have."""
    if narrow := [width for width in widths if width < 1]:
        raise ConfigError(f"--widths {narrow} must be at least 1")
