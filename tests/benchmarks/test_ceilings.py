from datetime import date

import numpy as np
import pytest

from benchmarks.ceilings import ceilings, true_logits
from mtmd.config import Preset
from mtmd.world import WorldConfig
from mtmd.world.candidates import Pairs
from mtmd.world.platform import Platform
from mtmd.world.requests import draw_requests

DAY = date(2026, 1, 5)


@pytest.fixture(scope="module")
def platform() -> Platform:
    return Platform(WorldConfig.tiny())


def test_the_matrix_has_the_worlds_own_log_odds(platform: Platform) -> None:
    ads, requests = platform.ads(DAY), draw_requests(platform.population, DAY.toordinal(), 0, 120)
    matrix = true_logits(platform, requests, ads, DAY)
    assert matrix.shape == (3, 120, len(ads.ad_id))
    pairs = Pairs(np.array([0, 57, 119]), np.array([3, 3, 149]))
    own = platform.effects.logits(requests, ads, pairs, (DAY - platform.config.origin).days)
    np.testing.assert_allclose(matrix[0, pairs.request, pairs.ad], own.click)
    np.testing.assert_allclose(matrix[2, pairs.request, pairs.ad], own.outbound)


def test_a_wide_dot_product_is_as_good_as_knowing_everything_and_a_narrow_one_is_not(
    platform: Platform, tiny_preset: Preset
) -> None:
    table = ceilings(platform, tiny_preset, DAY, count=100, widths=[200, 1])
    assert len(table.rows) == 15
    for row in table.rows:
        noise, _, wide, narrow = (float(str(value)) for value in row[3:])
        assert 0.02 < noise < 0.2
        assert wide == pytest.approx(noise, rel=1e-9)  # 200 exceeds the rank: nothing is lost
        assert narrow > noise
