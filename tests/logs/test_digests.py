import os
import shutil
import time
from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.logs.digests import SourceFiles, source_digests
from mtmd.logs.source import LogSource
from mtmd.store.files import sha256_file

DAY = date(2026, 3, 1)


@pytest.fixture
def files(logs: Path) -> SourceFiles:
    return LogSource(logs).source_files(DAY)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is a minute ahead, so that files were not changed just now."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60 * 10**9)


def altered(path: Path) -> None:
    """Other content of the same size, and the modification time that the file had before."""
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.usefixtures("later")
def test_digests_are_remembered_until_a_file_changes(files: SourceFiles, tmp_path: Path) -> None:
    path, cache = files["ads"][0], tmp_path / "digests" / "day.json"
    first = source_digests(files, cache)
    assert first["ads"] == {"part-0.parquet": sha256_file(path)}
    written = cache.stat().st_mtime_ns
    assert source_digests(files, cache) == first
    assert cache.stat().st_mtime_ns == written
    path.write_bytes(path.read_bytes() + b"more")
    assert source_digests(files, cache)["ads"] == {"part-0.parquet": sha256_file(path)} != first["ads"]


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("renamed", [False, True])
def test_other_content_of_the_same_size_and_modification_time_is_another_file(
    files: SourceFiles, tmp_path: Path, renamed: bool
) -> None:
    path, cache = files["ads"][0], tmp_path / "day.json"
    first, before = source_digests(files, cache), path.stat()
    other = Path(shutil.copy2(path, tmp_path / "other.parquet")) if renamed else path
    altered(other)
    other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert source_digests(files, cache)["ads"] == {"part-0.parquet": sha256_file(path)} != first["ads"]


def test_a_file_that_changed_just_now_is_not_remembered(
    files: SourceFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change in the same tick of the clock would leave its identity as it is."""
    cache = tmp_path / "day.json"
    changed = min(path.stat().st_ctime_ns for paths in files.values() for path in paths)
    monkeypatch.setattr(time, "time_ns", lambda: changed + 10**9)
    assert source_digests(files, cache) == source_digests(files, cache)
    assert not cache.exists()


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}'])
def test_a_damaged_memory_is_forgotten(files: SourceFiles, tmp_path: Path, text: str) -> None:
    cache = tmp_path / "day.json"
    first = source_digests(files, cache)
    cache.write_text(text)
    assert source_digests(files, cache) == first


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = [tmp_path / region / "2026-03-01" / "part-0.parquet" for region in ("eu", "us")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text(path.parts[-3])
    assert source_digests({"ads": paths}, tmp_path / "day.json")["ads"] == {
        "eu/2026-03-01/part-0.parquet": sha256_file(paths[0]),
        "us/2026-03-01/part-0.parquet": sha256_file(paths[1]),
    }


def test_a_file_that_is_gone_since_it_was_listed_is_named(files: SourceFiles) -> None:
    files["ads"][0].unlink()
    with pytest.raises(
        LogsError, match=r"ads/.*part-0\.parquet can't be read \(No such file.*; see that it is there"
    ):
        source_digests(files, None)
