from datetime import date
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ceilings import ceilings, main, true_logits
from mtmd.config import Preset, load_preset
from mtmd.errors import ConfigError
from mtmd.sources.simulated.platform import SimulatedPlatform
from mtmd.sources.simulated.requests import Pairs, draw_requests
from tests.worlds import tiny_world

DAY = date(2026, 1, 5)
FIVE = str(Path(__file__).parents[1] / "tiny-five.toml")


@pytest.fixture(scope="module")
def platform() -> SimulatedPlatform:
    return SimulatedPlatform(tiny_world())


def test_the_matrix_has_the_worlds_own_log_odds(platform: SimulatedPlatform) -> None:
    ads, requests = platform.ads(DAY), draw_requests(platform.population, DAY.toordinal(), 0, 120)
    matrix = true_logits(platform, requests, ads, DAY)
    assert matrix.shape == (3, 120, len(ads.ad_id))
    pairs = Pairs(np.array([0, 57, 119]), np.array([3, 3, 149]))
    own = platform.effects.logits(requests, ads, pairs, (DAY - platform.config.origin).days)
    np.testing.assert_allclose(matrix[0, pairs.request, pairs.ad], own[:, 0])
    np.testing.assert_allclose(matrix[2, pairs.request, pairs.ad], own[:, 2])


def test_a_wide_dot_product_is_as_good_as_knowing_everything_and_a_narrow_one_is_not(
    platform: SimulatedPlatform, tiny_preset: Preset
) -> None:
    table = ceilings(platform, tiny_preset, DAY, count=100, widths=[200, 1])
    assert len(table.rows) == 15
    assert table.title == (
        "LogMAE against the teacher of the truth that logs could tell, and of dot products (100 requests)"
    )
    for row in table.rows:
        noise, _, wide, narrow = (float(str(value)) for value in row[3:])
        assert 0.02 < noise < 0.2
        assert wide == pytest.approx(noise, rel=1e-9)  # 200 exceeds the rank: nothing is lost
        assert narrow > noise


def test_every_task_of_the_platform_has_its_marks(tiny_preset: Preset) -> None:
    """In the preset's order, and those of the first three whatever others there are."""
    preset, platforms = (
        load_preset(FIVE),
        [SimulatedPlatform(tiny_world(further_tasks=far)) for far in (False, True)],
    )
    first, *others = preset.domains.tasks
    turned = preset.domains.model_copy(update={"tasks": (first, *reversed(others))})
    three = ceilings(platforms[0], tiny_preset, DAY, count=60, widths=[1])
    five, reordered = (
        ceilings(platforms[1], preset.model_copy(update={"domains": own}), DAY, count=60, widths=[1])
        for own in (preset.domains, turned)
    )
    found = {row[:3]: row[3:] for row in five.rows}
    assert len(found) == 24
    assert {row[:3]: row[3:] for row in reordered.rows} == found
    assert {where: found[where] for where in ((*row[:3],) for row in three.rows)} == {
        row[:3]: row[3:] for row in three.rows
    }
    for where in (("search", "shopping", "cvr"), ("search", "standard", "relevance")):
        noise, wide, narrow = (float(str(value)) for value in found[where])
        assert 0.02 < noise < 0.2
        assert noise < wide <= narrow


def test_tasks_whose_truth_is_not_there_are_refused(
    platform: SimulatedPlatform, tiny_preset: Preset, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        ConfigError, match=r"has tasks \['cvr', 'relevance'\], of which this platform knows no truth"
    ):
        ceilings(platform, load_preset(FIVE), DAY, count=10, widths=[1])
    alone = tiny_preset.domains.model_copy(update={"constrained": False})
    with pytest.raises(ConfigError, match="models 'gctr' given None; the platform's truth is given 'ctr'"):
        ceilings(platform, tiny_preset.model_copy(update={"domains": alone}), DAY, count=10, widths=[1])
    assert main(["--preset", "kuairand"]) == 1
    assert "preset 'kuairand' can't be simulated" in capsys.readouterr().out
