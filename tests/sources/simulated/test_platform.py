"""Days are reproducible one by one, written once, and whole."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from mtmd.config import IdsConfig, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.contract import TABLES
from mtmd.sources.simulated.platform import require_columns, simulate
from mtmd.store.files import sha256_file
from tests.worlds import tiny_world

FIRST = date(2026, 1, 1)
TINY = tiny_world()


def digests(logs: Path) -> dict[str, str]:
    return {str(path.relative_to(logs)): sha256_file(path) for path in sorted(logs.rglob("*.parquet"))}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("platform")
    simulate(TINY, FIRST, FIRST + timedelta(days=3), root)
    return root


def test_a_day_alone_has_the_bytes_that_it_has_in_a_range(logs: Path, tmp_path: Path) -> None:
    day = FIRST + timedelta(days=2)
    simulate(TINY, day, day, tmp_path)
    alone = digests(tmp_path)
    assert len(alone) == 3
    assert alone == {name: digest for name, digest in digests(logs).items() if f"date={day}" in name}


def test_running_again_writes_nothing(logs: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in logs.rglob("*.parquet")}
    assert simulate(TINY, FIRST, FIRST + timedelta(days=3), logs) == 0
    assert {path: path.stat().st_mtime_ns for path in logs.rglob("*.parquet")} == before


def test_lost_tables_come_back_byte_for_byte_and_half_a_day_of_a_killed_writer_goes(
    logs: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(logs, copy)
    (half := copy / "ads" / f".tmp-date={FIRST}-01234567").mkdir()
    (half / "part-0.parquet").touch()
    for table in TABLES:
        shutil.rmtree(copy / table / f"date={FIRST}")
        simulate(TINY, FIRST, FIRST, copy)
        assert digests(copy) == digests(logs)
    assert not half.exists()


def test_days_of_two_worlds_do_not_mix(logs: Path, tmp_path: Path) -> None:
    with pytest.raises(LogsError, match=r"are of another simulated world \(seed=\d+, not 9\)"):
        simulate(tiny_world(seed=9), FIRST, FIRST, logs)
    copy = tmp_path / "copy"
    shutil.copytree(logs, copy)
    (copy / "world.json").unlink()
    with pytest.raises(LogsError, match=r"has logs of 4 days and no world.json"):
        simulate(TINY, FIRST, FIRST, copy)


def test_a_preset_with_ids_of_another_type_is_refused() -> None:
    preset = load_preset("demo").model_copy(update={"ids": IdsConfig(ad="VARCHAR")})
    with pytest.raises(
        ConfigError, match=r"'demo' can't be simulated, because it has \[ids\] .*ad='VARCHAR', not of BIGINT"
    ):
        require_columns(preset)
