"""A table's files in a bucket are found as those of a folder, and fetched as they were listed."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from mtmd.config import SourcesConfig
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.source import LogSource
from tests.buckets import S3, listing

URL = "s3://data/team"
DAY, NEXT = date(2026, 1, 5), date(2026, 1, 6)
LAYOUTS = {
    "usual": {},
    "named the same": {"files": "eu/{day}/hour=*/*.parquet"},
    "a file of a day": {"files": "ads-{day:%Y%m%d}.parquet"},
}
FILES = {
    "usual": (
        "ads/date=2026-01-05/b.parquet",
        "ads/date=2026-01-05/a b.parquet",
        "ads/date=2026-01-05/x/c.parquet",
    ),
    "named the same": (
        *(f"eu/2026-01-05/hour={hour}/x.parquet" for hour in (1, 0)),
        "eu/2026-01-05/hour=0/x/x.parquet",
    ),
    "a file of a day": ("ads-20260105.parquet", "ads-20260105.csv"),
}


def source(tmp_path: Path, root: str = URL, **ads: object) -> LogSource:
    return LogSource(root, tables=SourcesConfig.model_validate({"ads": ads}), spool=tmp_path / "spool")


def forget_files(tmp_path: Path) -> None:
    """What was listed stays, and the files that were fetched go."""
    for place in (tmp_path / "spool" / "ads" / str(DAY)).iterdir():
        if place.is_dir():
            shutil.rmtree(place)


@pytest.fixture
def logs(s3: S3, tmp_path: Path) -> LogSource:
    """A day with two files of ads."""
    for name in "ab":
        s3.put(f"{URL}/ads/date={DAY}/{name}.parquet", name.encode() * 10)
    return source(tmp_path)


def test_a_prefix_is_no_pattern(s3: S3, tmp_path: Path) -> None:
    s3.put(f"{URL}/p{{x}}*/ads/date={DAY}/a.parquet", b"a")
    (found,) = source(tmp_path / "art{x}", f"{URL}/p{{x}}*").day_files("ads", DAY)
    assert found.read_bytes() == b"a"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_days_files_and_digests_are_those_of_the_same_folder(s3: S3, tmp_path: Path, layout: str) -> None:
    for n, name in enumerate(FILES[layout]):
        s3.put(f"{URL}/{name}", bytes([n]) * 10)
    there, folder = source(tmp_path, **LAYOUTS[layout]), s3.path(URL)
    local = LogSource(folder, tables=there.tables)
    assert there.table("ads").days() == local.table("ads").days() == {DAY}
    assert there.digests(DAY, ["ads"]) == local.digests(DAY, ["ads"])
    found, expected = there.day_files("ads", DAY), local.day_files("ads", DAY)
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in expected]
    below = [path.relative_to(folder).as_posix() for path in expected]
    assert [path.as_posix()[-len(way) :] for path, way in zip(found, below, strict=True)] == below
    assert (there.has_day("ads", DAY), there.has_day("ads", NEXT)) == (True, False)
    with pytest.raises(
        LogsError, match=rf"^ads of {NEXT}: {URL}/.*{NEXT.day}.* does not exist; write the day's files"
    ):
        there.day_files("ads", NEXT)


def test_a_known_day_is_listed_but_not_fetched(s3: S3, logs: LogSource, tmp_path: Path) -> None:
    digests = logs.digests(DAY, ["ads"])
    forget_files(tmp_path)
    s3.asked.clear()
    assert logs.digests(DAY, ["ads"]) == digests
    assert s3.asked == []
    logs.refresh(DAY, ["ads"])
    assert logs.digests(DAY, ["ads"]) == digests
    assert (s3.count("list-type=2"), len(s3.asked)) == (1, 1)


def test_a_day_is_as_it_was_listed_until_it_is_listed_again(s3: S3, logs: LogSource, tmp_path: Path) -> None:
    before = logs.digests(DAY, ["ads"])
    s3.put(f"{URL}/ads/date={DAY}/a.parquet", b"corrected")
    s3.put(f"{URL}/ads/date={DAY}/c.parquet", b"late")
    assert logs.digests(DAY, ["ads"]) == before
    assert [path.read_bytes() for path in logs.day_files("ads", DAY)] == [b"a" * 10, b"b" * 10]
    forget_files(tmp_path)
    with pytest.raises(
        LogsError, match=rf"^ads of {DAY}: objects in {URL}/ads/.* changed since they were listed; run"
    ):
        logs.day_files("ads", DAY)
    logs.refresh(DAY, ["ads"])
    after = logs.digests(DAY, ["ads"])["ads"]
    assert after == LogSource(s3.path(URL)).digests(DAY, ["ads"])["ads"]
    assert [path.read_bytes() for path in logs.day_files("ads", DAY)] == [b"corrected", b"b" * 10, b"late"]


@pytest.mark.parametrize("content", [None, b"changed"])
def test_an_object_that_is_not_as_it_is_listed_is_an_error(
    s3: S3, logs: LogSource, content: bytes | None
) -> None:
    """The listing of the day stays as it is; then a file changes, or is removed."""
    s3.frozen = {f"team/ads/date={DAY}/": listing(s3.path("s3://data"), f"team/ads/date={DAY}/")}
    path = s3.path(f"{URL}/ads/date={DAY}/a.parquet")
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(LogsError, match=rf"^ads of {DAY}: objects in {URL}/ads/.* changed since they were"):
        logs.refresh(DAY, ["ads"])
    s3.frozen = {}
    logs.refresh(DAY, ["ads"])
    assert logs.digests(DAY, ["ads"]) == LogSource(s3.path(URL)).digests(DAY, ["ads"])


def test_a_local_place_beside_logs_in_a_bucket_is_refused(s3: S3, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[sources.ads\] has the local place .* beside a bucket"):
        source(tmp_path, files="/mnt/{day}.parquet").table("ads").days()


def test_a_table_may_be_in_a_bucket_of_its_own(s3: S3, tmp_path: Path) -> None:
    s3.put("s3://others/x/2026-01-05.parquet", b"ads")
    mixed = source(tmp_path, str(tmp_path / "logs"), files="s3://others/x/{day}.parquet")
    assert [path.name for path in mixed.day_files("ads", DAY)] == ["2026-01-05.parquet"]
    assert (mixed.is_remote("ads"), mixed.is_remote("requests")) == (True, False)
    assert mixed.table("ads").place == "s3://others/x/{day}.parquet"
