"""Objects are listed and fetched from a small S3 that misbehaves on purpose."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mtmd.errors import ConfigError, UnreachableError
from mtmd.extras.bucket.objects import Content, ObjectPath
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
    place = logs / "a" / "z.parquet"
    s3.refused = [503, 500, 429]
    assert fetched(place, tmp_path / "z") == bytes(range(250))
    assert s3.refused == []
    s3.cut = 2
    assert fetched(place, tmp_path / "z") == bytes(range(250))
    assert s3.cut == 0
    s3.cut = 2
    assert [one.key for one in (logs / "a").below()] == ["a/z.parquet"]


def test_a_store_that_gives_no_answer_is_named_after_a_bounded_time(s3: S3, logs: ObjectPath) -> None:
    s3.refused, s3.asked = [503] * 1000, []
    with pytest.raises(
        UnreachableError, match=r"s3://data/team/logs/a can't be read \(.*503.*; see that the bucket"
    ):
        (logs / "a").below()
    assert len(s3.asked) == 18  # three times one request and its five repetitions


@pytest.mark.parametrize(
    ("status", "url", "words"),
    [
        (403, URL, r" \(.*403.*\); access is denied: give this process"),
        (None, "s3://none/x", ": the bucket s3://none does not exist; make it, or correct its name"),
    ],
)
def test_what_does_not_pass_is_said_at_once(s3: S3, status: int | None, url: str, words: str) -> None:
    s3.refused = [status] if status else []
    with pytest.raises(UnreachableError, match=f"^{url}/a can't be read{words}"):
        (ObjectPath.of(url) / "a").below()
    assert len(s3.asked) == 1


def test_a_bucket_that_is_not_there_has_not_merely_no_such_object(s3: S3) -> None:
    (s3.root / "data").mkdir(parents=True)
    assert ObjectPath.of(f"{URL}/x").content() is None
    asked: tuple[Callable[[ObjectPath], object], ...] = (ObjectPath.content, ObjectPath.exists)
    for ask in asked:
        with pytest.raises(
            UnreachableError, match=r"^s3://none/x/a can't be read: the bucket s3://none does"
        ):
            ask(ObjectPath.of("s3://none/x") / "a")
    with pytest.raises(UnreachableError, match=r"^s3://none/x/a can't be written: the bucket s3://none does"):
        (ObjectPath.of("s3://none/x") / "a").put(b"1")


def test_an_endpoint_that_is_not_encrypted_must_be_allowed(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(
        UnreachableError, match=r"; AWS_ENDPOINT_URL is not encrypted: set AWS_ALLOW_HTTP=true"
    ):
        (ObjectPath.of(URL) / "a").below()
    assert s3.asked == []


def test_without_obstore_its_installation_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore.store", None)
    with pytest.raises(ConfigError, match=r"obstore.store is not installed.*: pip install 'mtmd\[s3\]'"):
        ObjectPath.of("s3://never-opened/x")


def test_an_object_is_put_and_found_again(s3: S3, logs: ObjectPath, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(20 << 20))
    (logs / "new" / "large").put(tmp_path / "large")
    (logs / "new" / "small").put(b"1")
    (logs / "new" / "small").put(b"2")
    assert read(logs / "new" / "small") == b"2"
    assert [(one.key, one.size) for one in (logs / "new").below()] == [
        ("new/large", 20 << 20),
        ("new/small", 1),
    ]
    assert s3.count("uploadId") > 2  # a large one goes up in parts
    logs.delete(["new/large", "new/small", "new/none"])
    assert (logs / "new").below() == []


def test_replace_fails_where_the_tag_moved(logs: ObjectPath) -> None:
    place = logs / "pointer.json"
    assert not place.replace(b"1", Content(b"0", '"0"'))  # nothing is there
    assert place.replace(b"1", None)
    assert place.replace(b"1", None)  # a request that is repeated, for its answer was lost
    assert not place.replace(b"2", None)
    seen = place.content()
    assert seen is not None
    assert place.replace(b"2", seen)
    assert place.replace(b"2", seen)  # a request that is repeated
    assert not place.replace(b"3", seen)
    assert read(place) == b"2"
    assert (logs / "none").content() is None


def test_a_write_whose_answer_is_lost_counts_once(s3: S3, logs: ObjectPath) -> None:
    place = logs / "pointer.json"
    s3.unanswered = 1
    assert place.replace(b"1", None)
    seen = place.content()
    assert seen is not None
    s3.unanswered = 1
    assert place.replace(b"2", seen)
    assert read(place) == b"2"
