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
from mtmd.logs.checksums import SUMS, read_sums
from mtmd.logs.source import LogSource
from tests.buckets import S3

DAY = date(2026, 1, 5)
A, B = "1" * 64, "2" * 64


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
    content[500] ^= 1
    path.write_bytes(content)


def _ads(source: LogSource) -> dict[str, str]:
    return source.digests(DAY, ["ads"])["ads"]


def test_files_that_are_as_listed_are_believed_and_the_list_is_no_file_of_the_day(logs: Path) -> None:
    source = LogSource(logs)
    expected = {f"part-{n}.parquet": _sha256(bytes([n]) * 1000) for n in range(2)}
    assert _ads(source) == expected
    (logs / "ads" / f"date={DAY}" / SUMS).unlink()
    assert _ads(source) == expected
    source = LogSource(logs, tables=SourcesConfig.model_validate({"ads": {"files": "ads/date={day}/*"}}))
    assert [path.name for path in source.day_files("ads", DAY)] == sorted(expected)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: _flip(folder / "part-1.parquet"), r"part-1\.parquet has sha256 \w{64}, and .*/SHA256SUMS lists "
         rf"{_sha256(bytes([1]) * 1000)}: .*deliver the file again"),
        (lambda folder: (folder / "part-1.parquet").unlink(),
         r"part-1\.parquet is listed in .*/SHA256SUMS \(sha256 \w{64}\) and is not there; deliver the file"),
        (lambda folder: shutil.copy(folder / "part-0.parquet", folder / "part-2.parquet"),
         r"part-2\.parquet \(sha256 \w{64}\) is not listed in .*/SHA256SUMS; remove the file"),
        (lambda folder: (folder / SUMS).write_text(""), r"part-0\.parquet .*is not listed"),
        (lambda folder: (folder / SUMS).write_bytes(b"\xff\xfe"), "line 1 .* is no checksum; .*sha256sum"),
        (lambda folder: ((folder / SUMS).unlink(), (folder / SUMS).mkdir()), "SHA256SUMS is a folder"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_listed_is_named(
    logs: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(logs / "ads" / f"date={DAY}")
    with pytest.raises(LogsError, match=rf"^ads of {DAY}: .*{words}"):
        _ads(LogSource(logs))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"{A}  a b.parquet", "a b.parquet"),
        (f"{A} *x.parquet", "x.parquet"),
        ("A" * 64 + "  ./sub/x", "sub/x"),
        ("\\" + A + r"  back\\slash", "back\\slash"),
        ("\\" + A + r"  line\nbreak", "line\nbreak"),
    ],
)
def test_lines_are_read_as_the_command_writes_them(line: str, name: str) -> None:
    listed = read_sums("s3://b/x", f"{line}\n".encode()).sha256
    assert list(listed) == [f"s3://b/x/{name}"]
    assert set(listed.values()) <= {A, "a" * 64}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{A}  a\n{B}  a\n", rf"line 2: a is listed with two digests \({A} and {B}\)"),
        (f"{A}  a\n\nSHA256 (b) = {B}\n", "line 3 .*is no checksum"),
        (f"{A[1:]}  a\n", "line 1 .*is no checksum"),
    ],
)
def test_a_line_that_is_no_checksum_is_named(content: str, words: str) -> None:
    with pytest.raises(LogsError, match=f"/x/{SUMS}, {words}"):
        read_sums("/x", content.encode())


@pytest.fixture
def hourly(tmp_path: Path) -> LogSource:
    """Files of two hours, of which the first has a list of its own, and the day has one of the second hour."""
    for hour in range(2):
        folder = tmp_path / "ads" / str(DAY) / f"hour={hour}"
        folder.mkdir(parents=True)
        (folder / "x.parquet").write_bytes(bytes([hour]) * 1000)
    (tmp_path / "ads" / str(DAY) / "hour=0" / SUMS).write_text(f"{_sha256(bytes(1000))}  x.parquet\n")
    (tmp_path / "ads" / str(DAY) / SUMS).write_text(f"{_sha256(bytes([1]) * 1000)}  hour=1/x.parquet\n")
    files = {"ads": {"files": "ads/{day}/hour=*/*.parquet"}}
    return LogSource(tmp_path, tables=SourcesConfig.model_validate(files))


def test_the_nearest_list_counts(hourly: LogSource, tmp_path: Path) -> None:
    assert len(_ads(hourly)) == 2
    _flip(tmp_path / "ads" / str(DAY) / "hour=1" / "x.parquet")
    with pytest.raises(LogsError, match=rf"hour=1/x\.parquet has sha256 .*/{DAY}/{SUMS} lists"):
        _ads(hourly)


def test_an_hour_that_is_missing_is_named(hourly: LogSource, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "ads" / str(DAY) / "hour=1")
    with pytest.raises(LogsError, match=r"hour=1/x\.parquet is listed in .* and is not there"):
        _ads(hourly)


def test_one_list_may_have_the_files_of_many_days(tmp_path: Path) -> None:
    (tmp_path / "ads").mkdir()
    (tmp_path / "ads" / f"{DAY}.parquet").write_bytes(b"today")
    (tmp_path / "ads" / SUMS).write_text(f"{_sha256(b'today')}  {DAY}.parquet\n{A}  2026-01-04.parquet\n")
    source = LogSource(tmp_path, tables=SourcesConfig.model_validate({"ads": {"files": "ads/{day}.parquet"}}))
    assert _ads(source) == {f"{DAY}.parquet": _sha256(b"today")}
    _flip_first(tmp_path / "ads" / f"{DAY}.parquet")
    with pytest.raises(LogsError, match=f"{DAY}.parquet has sha256"):
        _ads(source)


def test_a_list_of_many_days_is_parsed_once(tmp_path: Path) -> None:
    (tmp_path / "ads").mkdir()
    days = [date(2026, 1, n) for n in (4, 5, 6)]
    for day in days:
        (tmp_path / "ads" / f"{day}.parquet").write_bytes(f"{tmp_path}{day}".encode())
    lines = (f"{_sha256(f'{tmp_path}{day}'.encode())}  {day}.parquet\n" for day in days)
    (tmp_path / "ads" / SUMS).write_text("".join(lines))
    source = LogSource(tmp_path, tables=SourcesConfig.model_validate({"ads": {"files": "ads/{day}.parquet"}}))
    parsed = read_sums.cache_info().misses
    for day in days:
        source.digests(day, ["ads"])
    assert read_sums.cache_info().misses == parsed + 1
    (tmp_path / "ads" / SUMS).write_text(f"{A}  {DAY}.parquet\n")
    with pytest.raises(LogsError, match=f"{DAY}.parquet has sha256"):
        _ads(source)


def _flip_first(path: Path) -> None:
    path.write_bytes(b"T" + path.read_bytes()[1:])


def test_a_bucket_has_lists_too_and_reads_each_once(s3: S3, logs: Path, tmp_path: Path) -> None:
    for path in (logs / "ads" / f"date={DAY}").iterdir():
        s3.put(f"s3://data/team/ads/date={DAY}/{path.name}", path.read_bytes())
    source = LogSource("s3://data/team", spool=tmp_path / "spool")
    source.refresh(DAY, ["ads"])
    assert _ads(source) == _ads(LogSource(logs))
    s3.asked.clear()
    source.refresh(DAY, ["ads"])
    assert _ads(source) == _ads(LogSource(logs))
    assert (s3.count("list-type=2"), len(s3.asked)) == (1, 1)
    s3.put(f"s3://data/team/ads/date={DAY}/part-1.parquet", bytes([3]) * 1000)
    with pytest.raises(
        LogsError, match=r"s3://data/.*part-1\.parquet has sha256 \w{64}, and s3://.*SHA256SUMS lists"
    ):
        source.refresh(DAY, ["ads"])
