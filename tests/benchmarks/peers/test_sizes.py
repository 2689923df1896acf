from benchmarks.peers.sizes import peer_sizes
from mtmd.config import Preset


def test_peers_are_as_wide_as_the_per_slice_baselines_unless_told(tiny_preset: Preset) -> None:
    plain = tiny_preset.rivals.per_slice
    sizes = peer_sizes(tiny_preset)
    assert (sizes.widths, sizes.head) == (plain.widths, (plain.widths[-1] // 2,))
    told = peer_sizes(tiny_preset, [24, 10])
    assert told == sizes._replace(widths=(24, 10), head=(5,))
