"""How large the peers are: as wide as the per-slice baselines of the same preset, unless other widths are tried."""

from collections.abc import Sequence
from typing import NamedTuple

from mtmd.config import Preset


class Sizes(NamedTuple):
    """Sizes of a peer's network.

    widths     of an expert or a tower
    head       of a task's own layers behind the experts
    output     width of a tower's output per task
    experts    of MMOE
    levels, specific, shared    of PLE: levels, experts per task and level, shared experts per level
    """

    widths: tuple[int, ...]
    head: tuple[int, ...]
    output: int
    experts: int = 4
    levels: int = 2
    specific: int = 1
    shared: int = 1


def peer_sizes(preset: Preset, widths: Sequence[int] = ()) -> Sizes:
    """These widths, or the per-slice baselines'; with three tasks PLE has as many experts a level as MMOE has."""
    plain = preset.rivals["per_slice"].model.model_dump()
    chosen = tuple(widths) or plain["widths"]
    return Sizes(chosen, (max(chosen[-1] // 2, 1),), plain["embedding"])
