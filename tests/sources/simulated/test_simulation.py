"""Days of a simulated platform that is there already, or not yet."""

from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import ConfigError, LogsError
from mtmd.sources.simulated.platform import simulate_days
from mtmd.store.files import read_json

DAY, NEXT = date(2026, 1, 2), date(2026, 1, 3)


def _small(folder: Path, base: str, **sizes: int) -> str:
    """A preset of a small platform."""
    simulation = {"requests_per_day": 20, "users": 50, "ads": 40} | sizes
    path = folder / f"{base}.toml"
    lines = [f"{name} = {size}" for name, size in simulation.items()]
    path.write_text("\n".join([f'base = "{base}"', 'name = "small"', "[simulation]", *lines]))
    return str(path)


def test_a_world_goes_on_with_its_seed_and_is_one_of_its_folder(tmp_path: Path) -> None:
    preset, logs = _small(tmp_path, "demo"), str(tmp_path / "my logs")
    simulate_days(DAY, preset, days=1, logs=logs, seed=3)
    before = read_json(tmp_path / "my logs" / "world.json")
    told: list[tuple[int, int]] = []
    assert (
        simulate_days(NEXT, preset, days=2, logs=logs, on_day=lambda *so_far: told.append(so_far)).written
        == 1
    )
    assert told == [(1, 2), (2, 2)]
    assert read_json(tmp_path / "my logs" / "world.json") == before
    with pytest.raises(LogsError, match=r"another simulated world \(seed=3, not 0\)"):
        simulate_days(NEXT, preset, days=1, logs=logs, seed=0)
    larger = _small(tmp_path, "demo", requests_per_day=30)
    with pytest.raises(LogsError, match=r"another simulated world \(requests_per_day=20, not 30\)"):
        simulate_days(NEXT, larger, days=1, logs=logs, seed=3)
    simulate_days(NEXT, larger, days=1, logs=logs)  # the world that is there goes on, at its size


@pytest.mark.parametrize(("days", "words"), [(0, "must be at least 1"), (10**6, "begin before the calendar")])
def test_days_that_cannot_be_are_refused(tmp_path: Path, days: int, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"days \({days}\).*{words}"):
        simulate_days(DAY, "tiny", days=days, logs=str(tmp_path / "logs"))
    assert not (tmp_path / "logs").exists()
