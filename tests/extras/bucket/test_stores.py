"""Outputs and records of a line in a bucket: whole or not there, on every machine the same."""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from mtmd.errors import StorageError, UnreachableError
from mtmd.extras.bucket import stores
from mtmd.extras.bucket.objects import ObjectPath, require_below
from mtmd.store.files import sweep, write_json
from mtmd.store.stores import artifacts_folder, store_of
from mtmd.store.workspace import is_complete, make_once, read_record, write_record
from tests.buckets import S3

URL = "s3://art/team"
Machine = Callable[[str], Path]


class Note(BaseModel):
    words: str


def build(words: str) -> Callable[[Path], None]:
    def fill(directory: Path) -> None:
        (directory / "sub").mkdir()
        (directory / "sub" / "weights").write_text(words)
        (directory / "weights").write_text("the same")
        write_json(directory / "fit.json", {"words": words})

    return fill


def refresh(line: Path) -> None:
    store_of(line).refresh(line)


def explode(_: Path) -> None:
    raise AssertionError("built again")


def words_of(directory: Path) -> str:
    return (directory / "sub" / "weights").read_text()


def test_an_output_is_made_once_for_all_machines(s3: S3, machine: Machine) -> None:
    first = machine("a") / "trained" / "mtmd-1"
    assert not make_once(first, build("one"))
    there = s3.path(f"{URL}/line/trained/mtmd-1")
    assert set(json.loads((there / "complete.json").read_text())["files"]) == {
        "fit.json", "manifest.json", "sub/weights", "weights"
    }  # fmt: skip
    second = machine("b") / "trained" / "mtmd-1"
    assert second != first
    assert make_once(second, explode)
    assert words_of(second) == "one"
    s3.asked.clear()
    assert make_once(second, explode)
    assert s3.asked == []  # what is whole on the disk is not asked for


def test_a_damaged_copy_is_fetched_again(s3: S3, machine: Machine) -> None:
    path = machine("a") / "trained" / "mtmd-1"
    make_once(path, build("one"))
    (path / "sub" / "weights").write_text("two")
    (path / "extra").write_text("")
    assert make_once(path, explode)
    assert words_of(path) == "one"
    assert not (path / "extra").exists()


@pytest.mark.parametrize("both_upload", [False, True])
def test_the_first_of_two_machines_has_made_an_output(
    s3: S3, machine: Machine, caplog: pytest.LogCaptureFixture, both_upload: bool
) -> None:
    """The other one is done before this one looks, or while it uploads."""
    caplog.set_level(logging.INFO)
    path = machine("b") / "trained" / "mtmd-1"

    def meanwhile() -> None:
        make_once(machine("a") / "trained" / "mtmd-1", build("first"))
        machine("b")

    def late(directory: Path) -> None:
        build("late")(directory)
        if both_upload:
            s3.at("fit.json", meanwhile)
        else:
            meanwhile()

    assert not make_once(path, late)
    assert words_of(path) == "first"
    assert is_complete(path)
    assert s3.awaited == []
    assert "was made by another machine meanwhile; its files are taken" in caplog.text


@pytest.mark.parametrize("writes", [0, 3])
def test_a_run_that_was_cut_before_its_manifest_is_made_again(s3: S3, machine: Machine, writes: int) -> None:
    line = machine("a")
    path = line / "trained" / "mtmd-1"
    s3.dies_after = writes
    with pytest.raises(UnreachableError, match=f"^{URL}/line/trained/mtmd-1/"):
        make_once(path, build("one"))
    s3.dies_after = None
    assert not path.exists()
    assert not is_complete(machine("b") / "trained" / "mtmd-1")
    assert not make_once(machine("a") / "trained" / "mtmd-1", build("two"))
    assert words_of(path) == "two"
    machine("b")
    assert make_once(machine("b") / "trained" / "mtmd-1", explode)
    assert words_of(machine("b") / "trained" / "mtmd-1") == "two"
    assert sweep(line) == []


def test_damage_in_the_bucket_is_an_error_that_names_it(s3: S3, machine: Machine) -> None:
    make_once(machine("a") / "trained" / "mtmd-1", build("one"))
    (file,) = s3.path(f"{URL}/line/trained/mtmd-1").glob("upload-*/fit.json")
    content = file.read_bytes()
    path = machine("b") / "trained" / "mtmd-1"
    file.write_bytes(b"x" * len(content))
    with pytest.raises(StorageError, match=r"fit.json has sha256 .*remove .*/mtmd-1 in the bucket"):
        make_once(path, explode)
    file.unlink()
    with pytest.raises(StorageError, match=r"fit.json is missing; .*remove .*/mtmd-1 in the bucket"):
        make_once(path, explode)
    assert not path.exists()
    s3.put(f"{URL}/line/trained/mtmd-1/complete.json", b"{}")
    with pytest.raises(StorageError, match=r"complete.json can't be read \(Field required\)"):
        make_once(path, explode)


@pytest.mark.parametrize("name", ["../../weights", "{tmp}/weights", "sub/../../../weights", ""])
def test_a_list_of_files_that_leads_out_of_the_output_is_refused(
    s3: S3, machine: Machine, tmp_path: Path, name: str
) -> None:
    """Whoever writes to the bucket must not write elsewhere on the machines that read it."""
    make_once(machine("a") / "trained" / "mtmd-1", build("one"))
    complete = s3.path(f"{URL}/line/trained/mtmd-1/complete.json")
    named = json.loads(complete.read_text())
    named["files"][name.format(tmp=tmp_path)] = named["files"]["weights"]
    complete.write_text(json.dumps(named))
    with pytest.raises(StorageError, match=r"complete.json can't be read .*must stay below the output"):
        make_once(machine("b") / "trained" / "mtmd-1", explode)
    assert not list(tmp_path.glob("weights"))


@pytest.mark.parametrize("key", ["../other/champion.json", "/etc/x.json", ""])
def test_an_object_whose_key_leads_out_of_its_folder_is_refused(key: str) -> None:
    with pytest.raises(StorageError, match=f"the object s3://b/{key} must stay below its folder"):
        require_below(key, f"s3://b/{key}")


def test_records_are_those_of_all_machines(s3: S3, machine: Machine) -> None:
    write_record(machine("a") / "runs" / "1" / "summary.json", Note(words="from a"), seal=True)
    other = machine("b") / "runs" / "1" / "summary.json"
    assert read_record(other, Note) == Note(words="from a")  # by its name
    assert read_record(other.with_name("none.json"), Note) is None
    write_record(other, Note(words="from b"), seal=True)
    line = machine("a")
    later = time.time() + 5  # of another second than the first
    os.utime(s3.path(f"{URL}/line/runs/1/summary.json"), (later, later))
    refresh(line)
    found = line / "runs" / "1" / "summary.json"
    assert read_record(found, Note) == Note(words="from b")
    assert int(found.stat().st_mtime) == int(later)
    s3.asked.clear()
    refresh(line)
    assert len(s3.asked) == 1  # the listing


def test_a_refresh_brings_the_json_files_of_outputs(s3: S3, machine: Machine) -> None:
    make_once(machine("a") / "trained" / "mtmd-1", build("one"))
    line = machine("b")
    refresh(line)
    path = line / "trained" / "mtmd-1"
    assert sorted(one.name for one in path.iterdir()) == ["fit.json", "manifest.json"]
    assert store_of(path).size(path) > sum(one.stat().st_size for one in path.iterdir())
    assert make_once(path, explode)
    assert words_of(path) == "one"


def test_a_failure_that_one_machine_takes_back_is_gone_on_all(machine: Machine) -> None:
    names = ("failures/as_of=2026-01-01.json", "failures/as_of=2026-01-02.json", "runs/a/summary.json")
    line = machine("a")
    for name in names:
        write_record(line / name, Note(words=name))
    other = machine("b")
    refresh(other)
    machine("a")
    for name in (names[0], names[2]):
        store_of(line).discard(line / name)
    machine("b")
    refresh(other)
    assert [(other / name).is_file() for name in names] == [False, True, True]


def test_a_refresh_leaves_an_output_whole_that_another_process_makes(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = machine("a")
    push = stores.push

    def push_slowly(directory: Path, place: ObjectPath) -> None:
        push(directory, place)
        refresh(line)

    monkeypatch.setattr(stores, "push", push_slowly)
    make_once(line / "trained" / "mtmd-1", build("one"))
    assert words_of(line / "trained" / "mtmd-1") == "one"


def test_what_is_discarded_is_gone_everywhere_and_what_is_used_is_young(s3: S3, machine: Machine) -> None:
    line = machine("a")
    path, record = line / "trained" / "mtmd-1", line / "failures" / "as_of=2026-01-01.json"
    make_once(path, build("one"))
    write_record(record, Note(words=""))
    complete = s3.path(f"{URL}/line/trained/mtmd-1/complete.json")
    os.utime(complete, (0, 0))
    store_of(line).touch(path)
    assert complete.stat().st_mtime > time.time() - 60
    store_of(line).discard(path)
    store_of(line).discard(record)
    assert [one for one in s3.root.rglob("*") if one.is_file()] == []
    assert not path.exists()
    assert not store_of(line).fetch(path)


def test_what_something_points_to_is_in_the_bucket(s3: S3, machine: Machine) -> None:
    path = machine("a") / "models" / "m"
    make_once(path, build("one"))
    shutil.rmtree(s3.path(URL))
    store_of(path).commit(path)
    store_of(path).commit(path)
    assert make_once(machine("b") / "models" / "m", explode)


@pytest.mark.parametrize(
    "way", ["work/mtmd-1/a.json", "shards/digests/date=2026-01-01.json", "champion.lock"]
)
def test_what_is_a_machines_own_stays_on_its_disk(s3: S3, machine: Machine, way: str) -> None:
    path = machine("a") / way
    write_record(path, Note(words="mine"))
    assert path.is_file()
    assert s3.asked == []


def test_the_working_folder_is_told_from_the_url(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    line = machine("a")
    assert line.parent.name == "s3%3A%2F%2Fart%2Fteam"
    assert line.parent == artifacts_folder(f"{URL}/")
    assert store_of(line).place(line / "runs" / "a") == f"{URL}/line/runs/a"
    assert not store_of(line.parents[2] / "elsewhere").elsewhere
    monkeypatch.setenv("MTMD_ARTIFACTS", URL)
    assert artifacts_folder("artifacts") == line.parent
    with pytest.raises(StorageError, match="gs://art/team can't have artifacts; use s3://bucket/prefix"):
        artifacts_folder("gs://art/team")
