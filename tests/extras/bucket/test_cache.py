"""Objects are fetched once, verified when they are used, and kept within a bound."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from mtmd.errors import ConfigError, StorageError
from mtmd.extras.bucket.cache import ObjectCache, Wanted
from mtmd.extras.bucket.objects import ObjectPath
from tests.buckets import S3

ONE, TWO = b"1" * 1000, b"2" * 1000


@pytest.fixture
def cache(tmp_path: Path) -> ObjectCache:
    return ObjectCache(tmp_path / "cache", 1 << 20)


def wanted(s3: S3, **contents: bytes) -> list[Wanted]:
    """Objects that were put and listed, by name."""
    for name, content in contents.items():
        s3.put(f"s3://data/{name}", content)
    places = [(name, (ObjectPath.of("s3://data") / name).found()) for name in contents]
    return [Wanted(place, f"day=1/{name}") for name, place in places if place is not None]


def fetch(cache: ObjectCache, group: str, objects: list[Wanted]) -> list[Path]:
    fetched = cache.fetched(group, objects)
    assert fetched is not None
    assert [one.sha256 for one in fetched] == [
        hashlib.sha256(one.path.read_bytes()).hexdigest() for one in fetched
    ]
    return [one.path for one in fetched]


def test_an_object_is_fetched_once_under_its_own_way(s3: S3, cache: ObjectCache) -> None:
    objects = wanted(s3, a=ONE, b=TWO)
    first = fetch(cache, "ads/1", objects)
    assert [path.read_bytes() for path in first] == [ONE, TWO]
    assert [path.parts[-2:] for path in first] == [("day=1", "a"), ("day=1", "b")]
    s3.asked.clear()
    again = fetch(cache, "ads/1", objects)
    assert (again, s3.asked) == (first, [])


def test_another_content_is_another_file(s3: S3, cache: ObjectCache) -> None:
    (old,) = fetch(cache, "ads/1", wanted(s3, a=ONE))
    (new,) = fetch(cache, "ads/1", wanted(s3, a=TWO))
    assert (old.read_bytes(), new.read_bytes()) == (ONE, TWO)


def test_an_object_that_is_no_longer_as_it_was_listed_gives_nothing(s3: S3, cache: ObjectCache) -> None:
    (listed,) = wanted(s3, a=ONE)
    wanted(s3, a=TWO)
    assert cache.fetched("ads/1", [listed]) is None
    assert not [path for path in cache.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["content", "digest"])
def test_a_damaged_file_is_fetched_again(
    s3: S3, cache: ObjectCache, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    objects = wanted(s3, a=ONE)
    (path,) = fetch(cache, "ads/1", objects)
    (path if damage == "content" else next(cache.folder.rglob("*.sha256"))).write_bytes(b"0" * 64)
    (again,) = fetch(cache, "ads/1", objects)
    assert again.read_bytes() == ONE
    assert f"{path} is fetched again, because it was damaged" in caplog.text


def test_what_was_used_longest_ago_goes_first_and_what_was_used_within_a_day_stays(
    s3: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = ObjectCache(tmp_path / "cache", 3500)  # three objects of 1,000 bytes, with their digests of 64
    paths = []
    for days, name in ((4, "o1"), (5, "o2"), (0, "o3")):
        paths += fetch(cache, f"ads/{name}", wanted(s3, **{name: ONE}))
        then = time.time() - days * 24 * 3600
        os.utime(cache.folder / "ads" / name, (then, then))
    fetch(cache, "ads/o4", wanted(s3, o4=TWO))
    assert [path.exists() for path in paths] == [True, False, True]
    cache.make_room(3500)
    assert [path.exists() for path in paths] == [False, False, True]
    assert "more than MTMD_CACHE_GIB allows" in caplog.text


def test_what_a_killed_process_left_is_swept(s3: S3, cache: ObjectCache) -> None:
    left = cache.folder / "ads" / "1" / "version" / ".tmp-a-12345678"
    left.mkdir(parents=True)
    (left / "file").write_bytes(ONE)
    fetch(cache, "ads/1", wanted(s3, a=ONE))
    assert not left.exists()


def test_the_environment_says_where_and_how_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MTMD_CACHE", "MTMD_CACHE_GIB", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert ObjectCache.of_environment() == ObjectCache(Path.home() / ".cache" / "mtmd", 50 << 30)
    monkeypatch.setenv("MTMD_CACHE", "/var/cache/mtmd")
    monkeypatch.setenv("MTMD_CACHE_GIB", "0.5")
    assert ObjectCache.of_environment() == ObjectCache(Path("/var/cache/mtmd"), 1 << 29)
    for wrong in ("much", "0", "-1", "inf", "nan"):
        monkeypatch.setenv("MTMD_CACHE_GIB", wrong)
        with pytest.raises(
            ConfigError, match=rf"MTMD_CACHE_GIB \('{wrong}'\) must be a number of GiB above 0"
        ):
            ObjectCache.of_environment()


def test_an_object_that_leads_out_of_the_cache_is_refused(s3: S3, cache: ObjectCache) -> None:
    (one,) = wanted(s3, a=ONE)
    with pytest.raises(StorageError, match="s3://data/a must stay below its folder"):
        cache.fetched("ads/1", [one._replace(way="day=1/../../../../escaped")])
    assert not list(cache.folder.parent.rglob("escaped"))
