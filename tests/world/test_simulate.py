import os
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from mtmd.config import Preset, load_preset
from mtmd.contract import TABLES
from mtmd.errors import ConfigError
from mtmd.logs import available_days, day_directory
from mtmd.validation import DayProfile, Status, validate_day, validate_window
from mtmd.world import WorldConfig, day_truth, simulate
from tests.world.days import FIRST_DAY, read

TINY = WorldConfig.tiny()
DAYS = [FIRST_DAY + timedelta(days=day) for day in range(3)]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of the tiny world; read-only by convention."""
    root = tmp_path_factory.mktemp("three_days")
    simulate(TINY, DAYS[0], DAYS[-1], root)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def times(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in sorted(root.rglob("*"))}


def test_the_same_world_writes_the_same_bytes(logs: Path, tmp_path: Path) -> None:
    simulate(TINY, DAYS[0], DAYS[-1], tmp_path)
    assert contents(tmp_path) == contents(logs)
    assert len(contents(logs)) == 3 * len(TABLES)


def test_another_seed_is_another_world(logs: Path, tmp_path: Path) -> None:
    simulate(WorldConfig.tiny(seed=1), DAYS[0], DAYS[-1], tmp_path)
    ours, others = contents(logs), contents(tmp_path)
    assert ours.keys() == others.keys()
    assert all(ours[name] != others[name] for name in ours)


def test_a_day_alone_is_the_same_day_of_a_range(logs: Path, tmp_path: Path) -> None:
    simulate(TINY, DAYS[1], DAYS[1], tmp_path)
    assert contents(tmp_path) == {n: c for n, c in contents(logs).items() if str(DAYS[1]) in n}


def test_days_in_any_order_are_the_same_days(logs: Path, tmp_path: Path) -> None:
    for day in reversed(DAYS):
        simulate(TINY, day, day, tmp_path)
    assert contents(tmp_path) == contents(logs)


def test_running_again_writes_nothing_and_says_so(logs: Path, tmp_path: Path) -> None:
    shutil.copytree(logs, tmp_path, dirs_exist_ok=True)
    before, seen = times(tmp_path), []
    simulate(TINY, DAYS[0], DAYS[-1], tmp_path, on_day=lambda day, rows: seen.append((day, rows)))
    assert times(tmp_path) == before
    assert seen == [(day, 0) for day in DAYS]


def test_each_day_is_told_with_its_candidate_rows(logs: Path, tmp_path: Path) -> None:
    seen: list[tuple[date, int]] = []
    simulate(TINY, DAYS[0], DAYS[1], tmp_path, on_day=lambda day, rows: seen.append((day, rows)))
    assert seen == [(day, len(read(logs, "candidates", day))) for day in DAYS[:2]]


@pytest.mark.parametrize(
    "left", [("ads",), ("requests",), ("candidates",), ("ads", "requests")], ids="+".join
)
def test_a_day_that_a_crash_cut_short_is_completed(logs: Path, tmp_path: Path, left: tuple[str, ...]) -> None:
    for table in left:
        shutil.copytree(day_directory(logs, table, DAYS[0]), day_directory(tmp_path, table, DAYS[0]))
    before = times(tmp_path)
    simulate(TINY, DAYS[0], DAYS[0], tmp_path)
    assert contents(tmp_path) == {n: c for n, c in contents(logs).items() if str(DAYS[0]) in n}
    for table in left:
        directory = str(day_directory(tmp_path, table, DAYS[0]).relative_to(tmp_path))
        assert times(tmp_path)[directory] == before[directory]


def test_a_failure_under_way_leaves_no_table_half_written(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "candidates").write_text("a file where a directory must be")
    with pytest.raises(OSError, match="candidates"):
        simulate(TINY, DAYS[0], DAYS[0], tmp_path)
    assert list(tmp_path.glob("*/*")) == []
    (tmp_path / "candidates").unlink()
    simulate(TINY, DAYS[0], DAYS[0], tmp_path)
    assert available_days(tmp_path) == (DAYS[0],)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    litter = tmp_path / "requests" / f".tmp-date={DAYS[0]}-0123abcd"
    litter.mkdir(parents=True)
    (litter / "part-0.parquet").write_bytes(b"half")
    os.utime(litter, (0, 0))
    simulate(TINY, DAYS[0], DAYS[0], tmp_path)
    assert not litter.exists()


def test_a_day_in_many_chunks_is_whole_and_valid(tmp_path: Path, tiny_preset: Preset) -> None:
    config = TINY.model_copy(update={"chunk_requests": 9})
    simulate(config, DAYS[0], DAYS[0], tmp_path)
    assert len(list(day_directory(tmp_path, "requests", DAYS[0]).iterdir())) == 8  # 70 requests, 9 in a part
    ids = read(tmp_path, "requests", DAYS[0])["request_id"].to_pylist()
    assert len(ids) == len(set(ids)) == 70
    candidates = read(tmp_path, "candidates", DAYS[0])
    assert set(candidates["request_id"].to_pylist()) == set(ids)
    assert validate_day(tmp_path, DAYS[0], tiny_preset).passed


def test_the_truth_is_in_the_order_of_the_candidates(logs: Path) -> None:
    true, candidates = day_truth(TINY, DAYS[0]), read(logs, "candidates", DAYS[0])
    np.testing.assert_array_equal(true.request_id, candidates["request_id"].to_numpy())
    np.testing.assert_array_equal(true.ad_id, candidates["ad_id"].to_numpy())
    assert np.corrcoef(true.probability[:, 0], candidates["ctr"].to_numpy())[0, 1] > 0.98
    np.testing.assert_array_equal(np.isnan(true.probability[:, 2]), candidates["octr"].is_null().to_numpy())


def test_days_the_wrong_way_round_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"last \(2026-01-01\) must not be before first \(2026-01-03\)"):
        simulate(TINY, DAYS[2], DAYS[0], tmp_path)


def test_days_before_the_origin_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"first \(2024-12-31\) must not be before .* \(2025-01-01\)"):
        simulate(TINY, date(2024, 12, 31), DAYS[0], tmp_path)
    with pytest.raises(ConfigError, match=r"day \(2024-12-31\)"):
        day_truth(TINY, date(2024, 12, 31))
    assert list(tmp_path.iterdir()) == []


def hold_to_the_suites(logs: Path, preset: Preset) -> None:
    profiles: list[DayProfile] = []
    for day in DAYS:
        validation = validate_day(logs, day, preset, profiles)
        wrong = [(r.table, r.name, r.message) for r in validation.results if r.status is not Status.PASSED]
        if profiles:
            assert wrong == []
        assert validation.passed, wrong
        assert validation.profile is not None
        profiles.append(validation.profile)
    assert validate_window(profiles, preset).passed


def test_the_tiny_world_passes_every_expectation(logs: Path, tiny_preset: Preset) -> None:
    hold_to_the_suites(logs, tiny_preset)


def test_the_demo_world_passes_every_expectation(demo_logs: Path) -> None:
    hold_to_the_suites(demo_logs, load_preset("demo"))
