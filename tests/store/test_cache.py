"""Objects are fetched once, verified when they are used, and kept within a bound."""

import gc
import hashlib
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mtmd.errors import ConfigError, StorageError
from mtmd.store.cache import HeldFiles, ObjectCache, Wanted
from mtmd.store.objects import ObjectPath
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


def hold(cache: ObjectCache, group: str, objects: list[Wanted]) -> HeldFiles:
    held = cache.hold(group, objects)
    assert held is not None
    return held


def age(cache: ObjectCache, group: str, seconds: int) -> None:
    then = time.time() - seconds
    os.utime(cache.folder / group / "lock", (then, then))


def test_an_object_is_fetched_once_under_its_own_way(s3: S3, cache: ObjectCache) -> None:
    objects = wanted(s3, a=ONE, b=TWO)
    first = hold(cache, "ads/1", objects)
    assert [path.read_bytes() for path in first] == [ONE, TWO]
    assert first.digests == (hashlib.sha256(ONE).hexdigest(), hashlib.sha256(TWO).hexdigest())
    assert [path.parts[-2:] for path in first] == [("day=1", "a"), ("day=1", "b")]
    s3.asked.clear()
    again = hold(cache, "ads/1", objects)
    assert (list(again), again.digests, s3.asked) == (list(first), first.digests, [])


def test_another_content_is_another_file(s3: S3, cache: ObjectCache) -> None:
    (old,) = hold(cache, "ads/1", wanted(s3, a=ONE))
    (new,) = hold(cache, "ads/1", wanted(s3, a=TWO))
    assert (old.read_bytes(), new.read_bytes()) == (ONE, TWO)


def test_an_object_that_is_no_longer_as_it_was_listed_gives_nothing(s3: S3, cache: ObjectCache) -> None:
    (listed,) = wanted(s3, a=ONE)
    wanted(s3, a=TWO)
    assert cache.hold("ads/1", [listed]) is None
    assert not [path for path in cache.folder.rglob("*") if path.is_file() and path.name != "lock"]


@pytest.mark.parametrize("damage", ["content", "digest"])
def test_a_damaged_file_is_fetched_again(
    s3: S3, cache: ObjectCache, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    objects = wanted(s3, a=ONE)
    (path,) = hold(cache, "ads/1", objects)
    (path if damage == "content" else next(cache.folder.rglob("*.sha256"))).write_bytes(b"0" * 64)
    (again,) = hold(cache, "ads/1", objects)
    assert again.read_bytes() == ONE
    assert f"{path} is fetched again, because it was damaged" in caplog.text


def test_what_was_used_longest_ago_goes_first_and_what_is_held_stays(
    s3: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = ObjectCache(tmp_path / "cache", 3500)  # three objects of 1,000 bytes, with their digests of 64
    paths = {}
    for n, group in enumerate(("ads/1", "ads/2", "ads/3")):
        (paths[group],) = hold(cache, group, wanted(s3, **{f"o{n}": ONE}))
        age(cache, group, 1000 - n)
    held = hold(cache, "ads/1", wanted(s3, o0=ONE))
    age(cache, "ads/1", 2000)
    hold(cache, "ads/4", wanted(s3, o4=TWO))
    assert [path.exists() for path in paths.values()] == [True, False, True]
    caplog.clear()
    everything = [held, hold(cache, "ads/3", wanted(s3, o2=ONE)), hold(cache, "ads/4", wanted(s3, o4=TWO))]
    more = hold(cache, "ads/5", wanted(s3, o5=TWO))
    assert all(path.exists() for files in (*everything, more) for path in files)
    assert "more than MTMD_CACHE_GIB allows" in caplog.text
    del held, everything, more
    gc.collect()
    cache.make_room(3500)
    assert not any(path.is_file() for path in cache.folder.rglob("*"))


def test_what_a_killed_process_left_is_swept(s3: S3, cache: ObjectCache) -> None:
    left = cache.folder / "ads" / "1" / "version" / ".tmp-a-12345678"
    left.mkdir(parents=True)
    (left / "file").write_bytes(ONE)
    hold(cache, "ads/1", wanted(s3, a=ONE))
    assert not left.exists()


def test_several_may_fetch_and_clear_at_the_same_time(
    s3: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="mtmd.store.cache")
    cache = ObjectCache(tmp_path / "cache", 1500)  # one of the objects
    objects = [wanted(s3, **{f"o{n}": bytes([n]) * 1000}) for n in range(4)]

    def use(n: int) -> bool:
        held = hold(cache, f"ads/{n % 4}", objects[n % 4])
        return held[0].read_bytes() == bytes([n % 4]) * 1000

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(use, range(48)))


def test_a_group_that_comes_and_goes_can_be_held(cache: ObjectCache) -> None:
    done = threading.Event()

    def clear() -> None:
        while not done.is_set():
            cache.make_room(cache.bound + 1)

    with ThreadPoolExecutor(2) as pool:
        clearing = [pool.submit(clear) for _ in range(2)]
        try:
            until = time.monotonic() + 1.0  # a thousand times and more
            while time.monotonic() < until:
                hold(cache, "ads/1", [])
        finally:
            done.set()
    assert [one.result() for one in clearing] == [None, None]


def test_a_file_where_a_group_should_be_is_named(cache: ObjectCache) -> None:
    in_the_way = cache.folder / "ads"
    cache.folder.mkdir()
    in_the_way.write_text("")
    with pytest.raises(StorageError, match=rf"{in_the_way} must be a folder of the cache; remove it"):
        cache.hold("ads", [])


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
        cache.hold("ads/1", [one._replace(way="day=1/../../../../escaped")])
    assert not list(cache.folder.parent.rglob("escaped"))
