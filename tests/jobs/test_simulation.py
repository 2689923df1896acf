"""Days of a simulated platform that is there already, or not yet."""

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mtmd.errors import ConfigError, LogsError
from mtmd.jobs.simulation import simulate_days
from mtmd.store.files import read_json
from tests.tiny_lists import HISTORIES, write_preset

DAY, NEXT = date(2026, 1, 2), date(2026, 1, 3)


def _world(logs: str) -> dict[str, object]:
    world: dict[str, object] = read_json(Path(logs) / "world.json")["world"]
    return world


def test_a_world_goes_on_at_its_size_when_nothing_else_is_asked_for(tmp_path: Path) -> None:
    logs = str(tmp_path)
    simulate_days(DAY, "demo", days=1, logs=logs, seed=3, requests_per_day=20, users=50, ads=40)
    before = _world(logs)
    assert simulate_days(NEXT, "demo", days=2, logs=logs).written == 1
    assert _world(logs) == before


def test_a_size_that_is_given_must_be_the_worlds(tmp_path: Path) -> None:
    logs = str(tmp_path)
    simulate_days(DAY, "demo", days=1, logs=logs, requests_per_day=20, users=50, ads=40)
    with pytest.raises(LogsError, match="another simulated world"):
        simulate_days(NEXT, "demo", days=1, logs=logs, requests_per_day=30, users=50, ads=40)
    with pytest.raises(LogsError, match="another simulated world"):
        simulate_days(NEXT, "demo", days=1, logs=logs, seed=0)


def test_a_size_of_nothing_is_refused_and_not_the_presets(tmp_path: Path) -> None:
    logs = str(tmp_path / "logs")
    with pytest.raises(ConfigError, match=r"users \(0\) must be"):
        simulate_days(DAY, "tiny", days=1, logs=logs, users=0)
    with pytest.raises(ConfigError, match=r"ads \(0\) must be"):
        simulate_days(DAY, "tiny", days=1, logs=logs, ads=0)
    with pytest.raises(ConfigError, match=r"requests_per_day \(0\) must be"):
        simulate_days(DAY, "tiny", days=1, logs=logs, requests_per_day=0)
    assert not Path(logs).exists()


def test_days_before_the_calendar_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"days \(1000000\) up to {DAY} begin before the calendar"):
        simulate_days(DAY, "tiny", days=1_000_000, logs=str(tmp_path))


def test_logs_may_be_a_uri_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a host; where nothing is resolved, a folder `file:` would be made here."""
    monkeypatch.chdir(tmp_path)
    uri = (tmp_path / "my logs").as_uri()
    assert simulate_days(DAY, "demo", days=1, logs=uri, requests_per_day=20, users=50, ads=40).written == 1
    assert (tmp_path / "my logs" / "world.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["my logs"]
    assert simulate_days(NEXT, "demo", days=2, logs=uri).written == 1


def test_the_presets_tasks_are_written_and_one_folder_keeps_to_them(tmp_path: Path) -> None:
    three, five = str(tmp_path / "three"), str(tmp_path / "five")
    for preset, logs in (("demo", three), ("five-tasks", five)):
        simulate_days(DAY, preset, days=1, logs=logs, requests_per_day=20, users=50, ads=40)
        assert simulate_days(NEXT, preset, days=2, logs=logs).written == 1
        schema = pq.read_schema(next(Path(logs, "candidates", f"date={NEXT}").glob("*.parquet")))
        assert ("converted" in schema.names) == (preset == "five-tasks")
    with pytest.raises(
        LogsError, match=r"three are of a simulated world without cvr and .* 'five-tasks' has these"
    ):
        simulate_days(NEXT, "five-tasks", days=1, logs=three)
    with pytest.raises(
        LogsError, match=r"five are of a simulated world with cvr and .* 'demo' lacks these tasks"
    ):
        simulate_days(NEXT, "demo", days=1, logs=five, requests_per_day=20, users=50, ads=40)


def test_the_presets_own_reactions_are_written_and_one_folder_keeps_to_them(tmp_path: Path) -> None:
    preset = tmp_path / "own.toml"
    preset.write_text('base = "tiny"\nname = "own"\n[simulation]\nown_reactions = true\n')
    logs, other = str(tmp_path / "logs"), str(tmp_path / "tiny")
    assert (
        simulate_days(DAY, str(preset), days=1, logs=logs, requests_per_day=20, users=50, ads=40).written == 1
    )
    assert simulate_days(NEXT, str(preset), days=2, logs=logs).written == 1
    assert simulate_days(DAY, "tiny", days=1, logs=other, requests_per_day=20, users=50, ads=40).written == 1
    assert _world(logs)["own_reactions"] is True
    assert "own_reactions" not in _world(other)
    with pytest.raises(
        LogsError, match=r"tiny are of .* lack a cause of their own, and .*own\.toml' is true"
    ):
        simulate_days(NEXT, str(preset), days=1, logs=other)
    with pytest.raises(LogsError, match=r"logs are of .* have a cause of their own, and .* 'tiny' is false"):
        simulate_days(NEXT, "tiny", days=1, logs=logs)


def test_explored_candidates_are_a_part_of_the_world_that_a_folder_keeps_to(tmp_path: Path) -> None:
    text = 'base = "tiny"\nname = "{}"\n[simulation]\nusers = 50\nads = 40\nrequests_per_day = 20\n'
    wide, more = tmp_path / "wide.toml", "candidates_per_request = 6\nexplored_per_request = 2\n"
    wide.write_text(text.format("wide") + more)
    logs, other = str(tmp_path / "logs"), str(tmp_path / "other")
    simulate_days(DAY, str(wide), days=1, logs=logs)
    assert simulate_days(NEXT, "tiny", days=2, logs=logs).written == 1  # which says nothing of it
    assert (_world(logs)["candidates_per_request"], _world(logs)["explored_per_request"]) == (6, 2)
    for day in (DAY, NEXT):
        found = pq.read_table(Path(logs, "candidates", f"date={day}"), partitioning=None)["explored"]
        assert found.to_numpy().mean() == pytest.approx(2 / 8, abs=0.05)
    simulate_days(DAY, "tiny", days=1, logs=other)
    assert "explored_per_request" not in _world(other)
    with pytest.raises(
        LogsError, match=r"with 0 explored candidates a request, and preset '.*wide.toml' has 2"
    ):
        simulate_days(NEXT, str(wide), days=1, logs=other)


def test_the_presets_histories_are_written_and_one_folder_keeps_to_them(tmp_path: Path) -> None:
    preset, logs, other = str(write_preset(tmp_path)), str(tmp_path / "lists"), str(tmp_path / "tiny")
    simulate_days(DAY, preset, days=1, logs=logs, requests_per_day=20, users=50, ads=40)
    assert simulate_days(NEXT, preset, days=2, logs=logs).written == 1
    assert simulate_days(NEXT, "tiny", days=1, logs=other).written == 1
    assert _world(logs)["histories"] == list(HISTORIES)
    assert "histories" not in _world(other)
    schemas = [
        pq.read_schema(next(Path(root, "requests", f"date={NEXT}").glob("*.parquet")))
        for root in (logs, other)
    ]
    assert set(schemas[0].names) - set(schemas[1].names) == set(HISTORIES)
    with pytest.raises(
        LogsError, match=r"histories \[\], and preset '.*' has \['recent_topics', 'recent_ads', "
    ):
        simulate_days(NEXT, preset, days=1, logs=other)
