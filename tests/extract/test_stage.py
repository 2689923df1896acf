"""Shards are reused, never changed, and complete or absent."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract import stage as extraction_module
from mtmd.extract.shards import ShardRef, open_shard, read_manifest
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.logs.sql import SQL
from mtmd.store.files import read_json
from tests.buckets import S3
from tests.elsewhere import laid_out

DAY, NEXT_DAY = date(2026, 3, 1), date(2026, 3, 2)
Tables = dict[str, list[dict[str, Any]]]
Write = Callable[..., Path]


@pytest.fixture
def extract(logs: Path, tmp_path: Path, declarations: Declarations) -> Callable[..., ShardRef]:
    def run(day: date = DAY, declared: Declarations = declarations) -> ShardRef:
        return extract_day(LogSource(logs), day, declared, tmp_path / "shards")

    return run


def test_the_same_day_is_reused_untouched(extract: Callable[..., ShardRef], tmp_path: Path) -> None:
    first = extract()
    assert first.path == str(tmp_path / "shards" / "date=2026-03-01" / first.fingerprint[:16])
    assert (first.day, first.requests, first.ads, first.candidates, first.reused) == (DAY, 4, 4, 5, False)
    assert list(Path(first.path).parent.iterdir()) == [Path(first.path)]
    times = {path.name: path.stat().st_mtime_ns for path in Path(first.path).iterdir()}
    again = extract()
    assert again == first.model_copy(update={"reused": True})
    assert {path.name: path.stat().st_mtime_ns for path in Path(first.path).iterdir()} == times


def test_older_declarations_read_logs_with_newer_columns_only_when_asked(
    logs: Path, tmp_path: Path, declarations: Declarations
) -> None:
    (file,) = (logs / "ads" / f"date={DAY}").iterdir()
    table = pq.read_table(file, partitioning=None)
    pq.write_table(table.append_column("newer", table["ad_id"]), file)
    with pytest.raises(LogsError, match=r"newer \(not declared; is BIGINT\)"):
        extract_day(LogSource(logs), DAY, declarations, tmp_path / "shards")
    ref = extract_day(LogSource(logs), DAY, declarations, tmp_path / "shards", ignore_undeclared=True)
    assert (ref.requests, ref.ads, ref.candidates) == (4, 4, 5)


def test_late_data_makes_a_new_shard_beside_the_old_one(
    extract: Callable[..., ShardRef], logs: Path, day: Tables, write: Write
) -> None:
    old, other_day = extract(), extract(NEXT_DAY)
    write(logs, "requests", DAY, [day["requests"][0] | {"request_id": 77}], name="part-1.parquet")
    new = extract()
    assert not new.reused
    assert (new.requests, old.requests) == (5, 4)
    assert new.path != old.path
    assert open_shard(Path(old.path), verify=True).request_id.tolist() == [11, 13, 10, 12]
    assert extract(NEXT_DAY) == other_day.model_copy(update={"reused": True})


def test_statements_of_a_team_give_another_shard(
    extract: Callable[..., ShardRef], logs: Path, declarations: Declarations, tmp_path: Path
) -> None:
    first = extract()
    team = shutil.copytree(SQL, tmp_path / "sql")
    (team / "source_ads.sql").write_text(
        "select * replace (2 * bid as bid) from read_parquet($paths, hive_partitioning = false)\n"
    )
    second = extract_day(LogSource(logs, team), DAY, declarations, tmp_path / "shards")
    assert second.fingerprint != first.fingerprint
    assert open_shard(Path(second.path)).item.continuous[0].item() == 3.0


@pytest.mark.parametrize(
    "damage", ["truncate", "unlink", "flip", "manifest", "empty manifest", "no files", "a letter", "beside"]
)
def test_a_damaged_shard_is_made_again_with_a_warning(
    extract: Callable[..., ShardRef], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = extract()
    path = Path(first.path)
    if damage == "truncate":
        os.truncate(path / "candidates.arrow", 10)
    elif damage == "unlink":
        (path / "ads.arrow").unlink()
    elif damage == "flip":
        largest = max(path.glob("*.arrow"), key=lambda file: file.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 1
        largest.write_bytes(content)
    elif damage == "beside":
        (path / "more.arrow").write_bytes((path / "ads.arrow").read_bytes())
    else:
        manifest = path / "manifest.json"
        texts = {
            "manifest": "{",
            "empty manifest": "{}",
            "no files": json.dumps(read_json(manifest) | {"files": {}}),
            "a letter": manifest.read_text().replace('"requests": 4', '"requests": 5'),
        }
        assert texts[damage] != manifest.read_text()
        manifest.write_text(texts[damage])
    assert extract() == first
    assert "is extracted again, because it was damaged" in caplog.text
    open_shard(path, verify=True)


def while_read(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Let something happen after a day's views are made and before its rows are read."""
    load = extraction_module.load_sources

    def load_then(*arguments: Any, **options: Any) -> dict[str, str]:
        loaded: dict[str, str] = load(*arguments, **options)
        happens()
        return loaded

    monkeypatch.setattr(extraction_module, "load_sources", load_then)


def test_logs_that_change_while_they_are_read_give_no_shard(
    extract: Callable[..., ShardRef],
    logs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    day: Tables,
    write: Write,
) -> None:
    while_read(monkeypatch, lambda: write(logs, "ads", DAY, day["ads"][:3]))
    with pytest.raises(LogsError, match="2026-03-01 changed while they were read"):
        extract()
    assert not list((tmp_path / "shards" / f"date={DAY}").iterdir())


def test_a_shard_is_the_same_wherever_and_however_the_logs_are_kept(
    logs: Path, tmp_path: Path, declarations: Declarations, extract: Callable[..., ShardRef]
) -> None:
    source = LogSource(tmp_path / "elsewhere", tables=laid_out(logs, tmp_path / "elsewhere"))
    usual, other = extract(), extract_day(source, DAY, declarations, tmp_path / "shards")
    assert other.fingerprint != usual.fingerprint
    manifest = read_manifest(Path(other.path))
    assert manifest.files == read_manifest(Path(usual.path)).files
    assert list(manifest.sources["ads"]) == ["01-0.parquet", "01-1.parquet"]
    assert list(manifest.sources["candidates"]) == ["eu/part-0.parquet", "us/part-0.parquet"]


def test_logs_in_a_bucket_give_the_shard_of_the_same_folder_without_fetching_it_twice(
    s3: S3, logs: Path, tmp_path: Path, declarations: Declarations
) -> None:
    """The folders' names have the day, which DuckDB reads as a column there, too."""
    shutil.copytree(logs, s3.path("s3://data/team"))
    expected = extract_day(LogSource(logs), DAY, declarations, tmp_path / "local")
    source = LogSource("s3://data/team", spool=tmp_path / "spool")
    found = extract_day(source, DAY, declarations, tmp_path / "shards")
    assert found.fingerprint == expected.fingerprint
    manifests = [read_manifest(Path(ref.path)) for ref in (found, expected)]
    assert manifests[0] == manifests[1]
    s3.asked.clear()
    assert extract_day(source, DAY, declarations, tmp_path / "shards").reused
    assert s3.asked == []
