"""Hides and saves that follow from clicks, and that have a cause of their own."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import SimulatedPlatform, simulate
from mtmd.sources.simulated.reactions import following_clicks
from tests.worlds import tiny_world

DAY = date(2026, 1, 21)


def test_by_default_both_follow_from_the_chance_of_a_click() -> None:
    hidden, saved = following_clicks(np.array([0.0, 0.1, 0.9, 1.0])).T
    np.testing.assert_allclose(hidden, [0.024, 0.004 + 0.02 * np.exp(-2.0), 0.004, 0.004], atol=1e-6)
    np.testing.assert_allclose(saved, [0.002, 0.027, 0.227, 0.252])


def test_a_cause_of_their_own_is_little_like_that_of_clicks_and_about_as_frequent() -> None:
    """On impressions of the demo's world; by default the two correlate with clicks by −0.98 and 1.00."""
    platform = SimulatedPlatform(WorldConfig(own_reactions=True))
    ads = platform.ads(DAY)
    own, following, ctr = [], [], []
    for block in platform.blocks(DAY, ads):
        shown = block.actions.impressed
        chance = block.scores.truth[:, 0]
        own.append(platform.reactions(block.requests, ads, block.pairs, chance)[shown])
        following.append(following_clicks(chance)[shown])
        ctr.append(chance[shown])
    mine, theirs, clicks = (_logit(np.concatenate(parts)) for parts in (own, following, ctr))
    for column, most in ((0, 0.2), (1, 0.45)):
        assert abs(np.corrcoef(mine[:, column], clicks)[0, 1]) < most
        assert abs(np.corrcoef(theirs[:, column], clicks)[0, 1]) > 0.95
        assert mine[:, column].std() > 0.5
    assert np.concatenate(own).mean(axis=0) == pytest.approx(np.concatenate(following).mean(axis=0), rel=0.1)


def test_nothing_else_in_the_logs_changes(tmp_path: Path) -> None:
    plain = tiny_world()
    for name, world in (("plain", plain), ("own", plain.model_copy(update={"own_reactions": True}))):
        simulate(world, DAY - timedelta(days=1), DAY, tmp_path / name)
    first, second = ({file.relative_to(tmp_path / name): file for file in (tmp_path / name).rglob("*.parquet")}
                     for name in ("plain", "own"))  # fmt: skip
    assert first.keys() == second.keys()
    assert len(first) == 6
    for name, file in first.items():
        before, after = pq.read_table(file), pq.read_table(second[name])
        differing = {column for column in before.column_names if not before[column].equals(after[column])}
        assert differing == ({"hidden", "repinned"} if name.parts[0] == "candidates" else set())
    assert "own_reactions" not in plain.model_dump()  # names of outputs do not change


def _logit(chances: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(chances / (1.0 - chances)))
