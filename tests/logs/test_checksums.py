"""Checksums beside a day's files: what they list is what is there, with the content that they say."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from mtmd.config import SourcesConfig
from mtmd.errors import LogsError
from mtmd.logs.digests import SUMS, read_sums
from mtmd.logs.source import LogSource
from tests.buckets import S3

DAY = date(2026, 1, 5)
A = "1" * 64


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two files of ads, with checksums that `sha256sum` wrote."""
    folder = tmp_path / "logs" / "ads" / f"date={DAY}"
    folder.mkdir(parents=True)
    for n in range(2):
        (folder / f"part-{n}.parquet").write_bytes(bytes([n]) * 1000)
    written = subprocess.run(
        "sha256sum *.parquet", shell=True, cwd=folder, capture_output=True, check=True, text=True
    )
    (folder / SUMS).write_text(written.stdout)
    return tmp_path / "logs"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _source(root: Path, ads: str) -> LogSource:
    return LogSource(root, tables=SourcesConfig.model_validate({"ads": {"files": ads}}))


def _ads(source: LogSource) -> dict[str, str]:
    return source.digests(DAY, ["ads"])["ads"]


def test_files_that_are_as_listed_are_believed_and_the_list_is_no_file_of_the_day(logs: Path) -> None:
    expected = {f"part-{n}.parquet": _sha256(bytes([n]) * 1000) for n in range(2)}
    assert _ads(LogSource(logs)) == expected
    assert _ads(_source(logs, "ads/date={day}/*")) == expected
    (logs / "ads" / f"date={DAY}" / SUMS).unlink()
    assert _ads(LogSource(logs)) == expected


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: _flip(folder / "part-1.parquet"),
         rf"part-1\.parquet is \w{{64}} by its sha256, and .*/SHA256SUMS lists {_sha256(bytes([1]) * 1000)}: "
         r"it was damaged.*; deliver the file again"),
        (lambda folder: (folder / "part-1.parquet").unlink(), r"part-1\.parquet is not there by .* lists \w{64}"),
        (lambda folder: shutil.copy(folder / "part-0.parquet", folder / "part-2.parquet"),
         r"part-2\.parquet is \w{64} by its sha256, and .*/SHA256SUMS lists no file"),
        (lambda folder: (folder / SUMS).write_bytes(b"\xff\xfe"), "line 1 .* is no checksum; .*sha256sum"),
        (lambda folder: ((folder / SUMS).unlink(), (folder / SUMS).mkdir()), "SHA256SUMS is no regular file"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_listed_is_named(
    logs: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(logs / "ads" / f"date={DAY}")
    with pytest.raises(LogsError, match=words):
        _ads(LogSource(logs))


@pytest.mark.parametrize(
    ("line", "name"),
    [(f"{A}  a b.parquet", "a b.parquet"), (f"{A} *x", "x"), (f"{A}  ./sub/x\r", "sub/x")],
)
def test_lines_are_read_as_the_command_writes_them(line: str, name: str) -> None:
    assert read_sums(f"s3://b/x/{SUMS}", f"\n{line}\n".encode()) == {f"s3://b/x/{name}": A}


def test_a_list_may_have_files_of_folders_below_it_and_of_other_days(tmp_path: Path) -> None:
    for hour in range(2):
        folder = tmp_path / "ads" / str(DAY) / f"hour={hour}"
        folder.mkdir(parents=True)
        (folder / "x.parquet").write_bytes(bytes([hour]) * 10)
    lines = [f"{_sha256(bytes([hour]) * 10)}  hour={hour}/x.parquet" for hour in range(2)]
    (tmp_path / "ads" / str(DAY) / SUMS).write_text("\n".join(lines))
    source = _source(tmp_path, "ads/{day}/hour=*/*.parquet")
    assert len(_ads(source)) == 2
    shutil.rmtree(tmp_path / "ads" / str(DAY) / "hour=1")
    with pytest.raises(LogsError, match=r"hour=1/x\.parquet is not there"):
        _ads(source)
    (tmp_path / "ads" / f"{DAY}.parquet").write_bytes(b"today")
    (tmp_path / "ads" / SUMS).write_text(f"{_sha256(b'today')}  {DAY}.parquet\n{A}  2026-01-04.parquet\n")
    source = _source(tmp_path, "ads/{day}.parquet")
    assert _ads(source) == {f"{DAY}.parquet": _sha256(b"today")}
    _flip(tmp_path / "ads" / f"{DAY}.parquet")
    with pytest.raises(LogsError, match=f"{DAY}.parquet is"):
        _ads(source)


def test_a_bucket_has_lists_too(s3: S3, logs: Path, tmp_path: Path) -> None:
    for path in (logs / "ads" / f"date={DAY}").iterdir():
        s3.put(f"s3://data/team/ads/date={DAY}/{path.name}", path.read_bytes())
    source = LogSource("s3://data/team", spool=tmp_path / "spool")
    source.refresh(DAY, ["ads"])
    assert _ads(source) == _ads(LogSource(logs))
    s3.put(f"s3://data/team/ads/date={DAY}/part-1.parquet", bytes([3]) * 1000)
    with pytest.raises(
        LogsError, match=r"s3://data/.*part-1\.parquet is \w{64} by its sha256, and s3://.*lists"
    ):
        source.refresh(DAY, ["ads"])
