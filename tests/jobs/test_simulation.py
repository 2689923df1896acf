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
        LogsError, match=r"three are of a simulated world with cvr and relevance False, and .* asks for True"
    ):
        simulate_days(NEXT, "five-tasks", days=1, logs=three)
    with pytest.raises(
        LogsError, match=r"five are of a simulated world with cvr and relevance True, and .* asks for False"
    ):
        simulate_days(NEXT, "demo", days=1, logs=five, requests_per_day=20, users=50, ads=40)


def test_the_presets_histories_are_written_and_one_folder_keeps_to_them(tmp_path: Path) -> None:
    preset, logs, other = str(write_preset(tmp_path)), str(tmp_path / "lists"), str(tmp_path / "tiny")
    simulate_days(DAY, preset, days=1, logs=logs, requests_per_day=20, users=50, ads=40)
    assert simulate_days(NEXT, preset, days=2, logs=logs).written == 1
    assert simulate_days(NEXT, "tiny", days=1, logs=other).written == 1
    assert _world(logs)["histories"] == list(HISTORIES)
    assert _world(other)["histories"] == []
    schemas = [
        pq.read_schema(next(Path(root, "requests", f"date={NEXT}").glob("*.parquet")))
        for root in (logs, other)
    ]
    assert set(schemas[0].names) - set(schemas[1].names) == set(HISTORIES)
    with pytest.raises(
        LogsError, match=r"histories \(\), and preset '.*' asks for \('recent_topics', 'recent_ads', "
    ):
        simulate_days(NEXT, preset, days=1, logs=other)
