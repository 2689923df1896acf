"""The options of commands that train peers: their learning rates and widths."""

import argparse
from collections.abc import Sequence

from benchmarks.peers.catalogue import PEERS
from mtmd.errors import ConfigError


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
    rates = {name: PEERS[name].learning_rate for name in chosen}
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
