"""Conversions and relevance: further columns of the same logs, in part shared with clicks, and no dot product."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.further_tasks import SCHEMA, TASKS
from mtmd.sources.simulated.platform import SimulatedPlatform, simulate
from mtmd.store.files import sha256_file
from tests.worlds import tiny_world

DAY = date(2026, 1, 4)
CVR, RELEVANCE = range(2)


@pytest.fixture(scope="module")
def platform() -> SimulatedPlatform:
    return SimulatedPlatform(WorldConfig.sized(further_tasks=True))


@pytest.fixture(scope="module")
def block(platform: SimulatedPlatform):
    """The demo's day in one block, and its ads."""
    ads = platform.ads(DAY)
    (found,) = platform.blocks(DAY, ads)
    return found, ads


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two days of the tiny platform, without and with the tasks."""
    roots = (tmp_path_factory.mktemp("three"), tmp_path_factory.mktemp("five"))
    for root, further in zip(roots, (False, True), strict=True):
        simulate(tiny_world(further_tasks=further), DAY - timedelta(days=1), DAY, root)
    return roots


def read(logs: Path):
    return pq.read_table(logs / "candidates" / f"date={DAY}", partitioning=None)


def test_nothing_else_in_the_logs_changes(both: tuple[Path, Path]) -> None:
    three, five = both
    for table in ("requests", "ads"):
        place = Path(table) / f"date={DAY}" / "part-0.parquet"
        assert sha256_file(three / place) == sha256_file(five / place)
    assert read(five).select(read(three).column_names).equals(read(three))
    assert [name for name in read(five).column_names if name not in read(three).column_names] == SCHEMA.names


def test_conversions_are_of_shopping_ads_and_of_clicks(both: tuple[Path, Path]) -> None:
    rows = read(both[1])
    cvr, ctr, octr = (rows[name].to_numpy() for name in ("cvr", "ctr", "octr"))
    shopping = np.isnan(octr)
    np.testing.assert_array_equal(~np.isnan(cvr), shopping)
    assert (cvr[shopping] <= ctr[shopping]).all()
    assert (cvr[shopping] > 0).all()
    shown = rows["impressed"].to_numpy()
    converted, relevant = (rows[name].to_pandas().to_numpy() for name in ("converted", "relevant"))
    np.testing.assert_array_equal([value is not None for value in converted], shopping & shown)
    np.testing.assert_array_equal([value is not None for value in relevant], shown)
    bought = np.array([value is True for value in converted])
    assert bought.any()
    assert all(value is True for value in rows["clicked"].to_pandas()[bought])


@pytest.mark.parametrize("task", range(2), ids=TASKS)
def test_mean_truth_among_rows_of_a_score_is_that_score(block, task: int) -> None:
    further = block[0].further.scores
    teacher, truth = further.teacher[:, task], further.truth[:, task]
    applies = ~np.isnan(teacher)
    for rows in np.array_split(np.argsort(teacher[applies]), 8):
        assert truth[applies][rows].mean() == pytest.approx(teacher[applies][rows].mean(), rel=0.025)


def test_outcomes_are_as_many_as_the_truth_of_what_was_shown(block) -> None:
    further, shown = block[0].further, block[0].actions.impressed
    shopping = ~np.isnan(further.scores.truth[:, CVR])
    for happened, task, rows in (
        (further.converted, CVR, shown & shopping),
        (further.relevant, RELEVANCE, shown),
    ):
        expected = further.scores.truth[rows, task].sum()
        assert happened[rows].sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert not (further.converted & ~block[0].actions.clicked).any()
