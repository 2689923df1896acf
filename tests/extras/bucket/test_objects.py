"""Objects are listed and fetched from a small S3 that misbehaves on purpose."""

import re
from pathlib import Path

import pytest

from mtmd.errors import ConfigError, UnreachableError
from mtmd.extras.bucket.objects import Content, Listed, ObjectPath
from tests.buckets import S3

URL = "s3://data/team/logs"


@pytest.fixture
def logs(s3: S3) -> ObjectPath:
    s3.put(f"{URL}/a-b/x y+%2.parquet", b"12345")
    s3.put(f"{URL}/a/z.parquet", bytes(range(250)))
    s3.put(f"{URL}/top.json", b"{}")
    s3.put("s3://data/team/logs-of-others/a/z", b"")
    return ObjectPath.of(URL)


def fetched(place: ObjectPath, path: Path, e_tag: str | None = None) -> bytes | None:
    return path.read_bytes() if place.download(path, e_tag) else None


def read(place: ObjectPath) -> bytes | None:
    found = place.content()
    return None if found is None else found.bytes


@pytest.mark.parametrize("url", ["s3://b/team#1", "s3://b/team?region=eu-west-1", "s3://b?region=eu-west-1"])
def test_a_url_of_which_a_part_would_be_left_out_is_refused(s3: S3, url: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{re.escape(url)} has a bare \? or #.* write %3F or %23"):
        ObjectPath.of(url)


def test_objects_are_listed_below_a_prefix_in_the_order_of_names(logs: ObjectPath) -> None:
    assert [one.key for one in logs.below()] == ["a/z.parquet", "a-b/x y+%2.parquet", "top.json"]
    assert sorted(map(str, logs.iterdir())) == [f"{URL}/a", f"{URL}/a-b", f"{URL}/top.json"]
    assert [(logs / name).exists() for name in ("a", "top.json", "b", "a/z")] == [True, True, False, False]
    assert (logs / "none").found() is None
    assert (logs / "none").content() is None


def test_an_object_is_fetched_as_it_was_listed(s3: S3, logs: ObjectPath, tmp_path: Path) -> None:
    place = logs / "a" / "z.parquet"
    (listed,) = (logs / "a").below()
    assert fetched(place, tmp_path / "x" / "z", listed.e_tag) == bytes(range(250))
    s3.put(f"{URL}/a/z.parquet", bytes(reversed(range(250))))
    assert fetched(place, tmp_path / "z", listed.e_tag) is None
    assert fetched(place, tmp_path / "z") == bytes(reversed(range(250)))
    s3.path(f"{URL}/a/z.parquet").unlink()
    assert fetched(place, tmp_path / "z") is None


def test_what_passes_is_tried_again(s3: S3, logs: ObjectPath, tmp_path: Path) -> None:
    s3.refused = [503, 500, 429]
    assert fetched(logs / "a" / "z.parquet", tmp_path / "z") == bytes(range(250))
    s3.cut = 2
    assert fetched(logs / "a" / "z.parquet", tmp_path / "z") == bytes(range(250))
    s3.cut = 2
    assert [one.key for one in (logs / "a").below()] == ["a/z.parquet"]
    assert (s3.refused, s3.cut) == ([], 0)


@pytest.mark.parametrize(
    ("status", "url", "requests"),
    # Three times one request; a 503's are repeated.
    [(503, URL, 18), (403, URL, 3), (None, "s3://none/x", 3)],
)
def test_what_does_not_pass_is_named_after_a_bounded_time(
    s3: S3, logs: ObjectPath, status: int | None, url: str, requests: int
) -> None:
    s3.refused = [status] * 1000 if status else []
    words = rf"^{url}/a can't be read \(.*{status or 404}.*\); see that the bucket exists, that its name"
    with pytest.raises(UnreachableError, match=words):
        (ObjectPath.of(url) / "a").below()
    assert len(s3.asked) == requests


def test_a_bucket_that_is_not_there_has_not_merely_no_such_object(s3: S3, logs: ObjectPath) -> None:
    place = ObjectPath.of("s3://none/x") / "a"
    for ask in (place.content, place.exists, lambda: place.put(b"1")):
        with pytest.raises(UnreachableError, match=r"^s3://none/x/a can't be .*; see that the bucket exists"):
            ask()


def test_without_obstore_its_installation_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore.store", None)
    with pytest.raises(ConfigError, match=r"obstore.store is not installed.*: pip install 'mtmd\[s3\]'"):
        ObjectPath.of("s3://never-opened/x")


def test_replace_fails_where_the_tag_moved(logs: ObjectPath) -> None:
    place = logs / "pointer.json"
    assert not place.replace(b"1", Content(b"0", Listed("", 1, '"0"')))  # nothing is there
    assert place.replace(b"1", None)
    assert place.replace(b"1", None)  # a request that is repeated, for its answer was lost
    assert not place.replace(b"2", None)
    seen = place.content()
    assert place.replace(b"2", seen)
    assert place.replace(b"2", seen)  # a request that is repeated
    assert not place.replace(b"3", seen)
    assert read(place) == b"2"
