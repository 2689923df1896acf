"""Three days of the tiny platform; what needs a peer's library is skipped, with a word, where it is not installed."""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.peers.catalogue import PEERS, installed
from benchmarks.peers.features import PairColumns, WindowMoments, window_moments
from mtmd.config import Preset
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.extract.window import WindowData
from mtmd.logs.source import LogSource
from mtmd.model.batch import Batch
from tests.conftest import FIRST_DAY

BATCH = 128


@pytest.fixture(scope="module")
def window(tiny_preset: Preset, tiny_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> WindowData:
    shards = tmp_path_factory.mktemp("shards")
    days = [FIRST_DAY + timedelta(days=n) for n in range(3)]
    refs = [extract_day(LogSource(tiny_logs), day, tiny_preset.declarations, shards) for day in days]
    opened = [open_shard(Path(ref.path)) for ref in refs]
    return WindowData(opened, tiny_preset.declarations, validation_fraction=0.05, seed=0)


@pytest.fixture(scope="module")
def moments(window: WindowData) -> WindowMoments:
    return window_moments(window, BATCH)


@pytest.fixture(scope="module")
def batch(window: WindowData) -> Batch:
    return next(window.validation(BATCH))


@pytest.fixture(scope="module")
def columns(tiny_preset: Preset, moments: WindowMoments) -> PairColumns:
    return PairColumns(tiny_preset.declarations, moments)


@pytest.fixture(params=PEERS)
def name(request: pytest.FixtureRequest) -> str:
    """Every peer, where its library is installed."""
    if not installed():
        pytest.skip("pip install -e '.[peers]' brings the peers' library")
    return str(request.param)
