"""Storage: all of an output or none of it, whoever is killed when."""

import errno
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from mtmd.errors import StorageError
from mtmd.store import files
from mtmd.store.files import (
    atomic_directory,
    atomic_file,
    digest,
    discard,
    locked,
    read_json,
    remove,
    sweep,
    write_json,
    write_text,
)
from mtmd.store.stores import resolve

StartScript = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[StartScript]:
    """Start a Python script in another process and wait for its first line; it ends with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def run(script: str, *arguments: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", script, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def kill(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


HOLDING = """
import sys, time
from pathlib import Path
from mtmd.store import files
with getattr(files, sys.argv[1])(Path(sys.argv[2])) as path:
    if path is not None:
        (path / "half" if path.is_dir() else path).write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""
WRITERS = ["atomic_directory", "atomic_file"]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/data/logs", "/data/logs"),
        ("ads:v2", Path.cwd() / "ads:v2"),
        (Path("logs"), Path.cwd() / "logs"),
        ("~/logs", Path.home() / "logs"),
    ],
)
def test_local_paths_are_resolved(location: str | Path, expected: str | Path) -> None:
    assert resolve(location) == Path(expected)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (
            "s3://bucket/logs",
            r"^s3://bucket/logs is in a bucket, where only logs that are read and artifacts may be; use a local",
        ),
        (Path("gs://bucket/logs"), r"^gs:/bucket/logs is in a bucket"),
        ("hdfs://bucket/logs", "'hdfs://bucket/logs' must be a local path; write it without"),
    ],
)
def test_other_locations_are_an_error_that_names_them(location: str | Path, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        resolve(location)


def test_digests_are_the_same_for_ever() -> None:
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # sha256 of "{}"
    text = '{"a":[1,2.5,null,true],"b":"2026-01-02","\\u00e9":"/x"}'
    value = {"é": Path("/x"), "b": date(2026, 1, 2), "a": (1, 2.5, None, True)}
    assert digest(value) == hashlib.sha256(text.encode()).hexdigest()
    assert digest(value) == "575c65dd729d1d2293b5277aea5f47a05b7a9c87ae91cf7ab3b640b2f967f58c"
    assert digest([1, 2]) != digest([2, 1])


@pytest.mark.parametrize("value", [{"a", "b"}, object(), b"bytes"])
def test_a_value_without_a_fixed_text_has_no_digest(value: object) -> None:
    with pytest.raises(TypeError, match=r"which has no fixed text in JSON; convert it first"):
        digest({"key": value})


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "value.json"
    write_json(path, {"b": [1, None], "a": "é", "day": date(2026, 1, 2), "at": datetime(2026, 1, 2, 3)})
    assert read_json(path) == {"a": "é", "b": [1, None], "day": "2026-01-02", "at": "2026-01-02 03:00:00"}
    assert path.read_text().startswith('{\n  "a"')


@pytest.mark.parametrize("content", [b"", b'{"half": ', b'"\xff"'])
def test_a_damaged_json_file_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "half.json"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"half\.json is not valid JSON .*; remove it and run again"):
        read_json(path)


@pytest.mark.parametrize("writer", [atomic_file, atomic_directory])
def test_an_exception_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, writer: Callable[[Path], Any]
) -> None:
    write_text(tmp_path / "file", "old")
    final = tmp_path / ("file" if writer is atomic_file else "output")

    def fail() -> None:
        with writer(final) as temporary:
            write_text(temporary / "half" if temporary.is_dir() else temporary, "half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_first_of_two_writers_stays(tmp_path: Path) -> None:
    final = tmp_path / "new" / "output"
    with atomic_directory(final) as slow:
        (slow / "file").write_text("slow")
        assert not final.exists()
        with atomic_directory(final) as quick:
            (quick / "file").write_text("quick")
    assert (final / "file").read_text() == "quick"
    assert names(final.parent) == ["output"]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_live_writers_work_is_kept_and_what_a_killed_one_leaves_is_swept(
    tmp_path: Path, start: StartScript, writer: str
) -> None:
    writing = start(HOLDING, writer, tmp_path / "day" / "output")
    [left] = names(tmp_path / "day")
    assert left.startswith(".tmp-output-")
    assert sweep(tmp_path) == []
    assert names(tmp_path / "day") == [left]
    kill(writing)
    assert sweep(tmp_path) == [tmp_path / "day" / left]
    assert names(tmp_path / "day") == []


def test_a_live_writer_may_replace_its_file(tmp_path: Path) -> None:
    """As safetensors does with a checkpoint, while another run sweeps."""
    with atomic_file(tmp_path / "file") as temporary:
        write_text(temporary, "half")
        assert sweep(tmp_path) == []
    assert (tmp_path / "file").read_text() == "half"


def test_a_writer_that_is_swept_before_it_holds_its_lock_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a temporary and its lock a sweeper takes it for a dead writer's."""
    swept: list[Path] = []
    mkdir = Path.mkdir

    def disturbed(path: Path, *given: Any, **named: Any) -> None:
        mkdir(path, *given, **named)
        if path.name.startswith(".tmp-") and not swept:
            swept.extend(sweep(tmp_path))

    monkeypatch.setattr(Path, "mkdir", disturbed)
    with atomic_directory(tmp_path / "day") as temporary:
        assert swept == [temporary]
        assert temporary.exists()
        assert sweep(tmp_path) == []


def test_a_lock_excludes_another_process_until_its_holder_is_killed(
    tmp_path: Path, start: StartScript
) -> None:
    path = tmp_path / "new" / "champion.lock"
    holder = start(HOLDING, "locked", path)
    with (
        pytest.raises(StorageError, match=r"champion\.lock is still locked by another process after 0\.1 s"),
        locked(path, timeout_s=0.1),
    ):
        pytest.fail("two processes held the lock")
    kill(holder)
    began = time.monotonic()
    with locked(path, timeout_s=60):
        assert time.monotonic() - began < 5


def test_remove_takes_files_trees_links_and_nothing_at_all(tmp_path: Path) -> None:
    write_text(tmp_path / "tree" / "deep" / "file", "x")
    write_text(tmp_path / "real" / "file", "kept")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("tree", "link", "none"):
        remove(tmp_path / name)
    assert names(tmp_path) == ["real"]
    assert (tmp_path / "real" / "file").exists()


def _is_a_file(path: Path) -> Path:
    path.write_text("x")
    return path / "out"


def _is_a_lock(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("place", "writer", "words"),
    [
        (
            _is_a_file,
            write_text,
            "out can't be written (File exists); let this user write there, with room and nothing else in the way",
        ),
        (_is_a_lock, write_text, "can't be written (Is a directory); let this user write there"),
        (_is_a_lock, lambda path, _: locked(path).__enter__(), "can't be written (Is a directory)"),
        (lambda path: path / ("n" * 300), write_text, "can't be written (File name too long)"),
    ],
)
def test_what_the_system_refuses_is_named_with_the_remedy(
    tmp_path: Path, place: Callable[[Path], Path], writer: Callable[[Path, str], Any], words: str
) -> None:
    with pytest.raises(StorageError, match=re.escape(words)):
        writer(place(tmp_path / "place"), "text")


@pytest.mark.parametrize(
    ("error", "number"),
    [
        *((OSError(number, "of a library"), number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)),
        (RuntimeError("Error while serializing: I/O error: No space (os error 28)"), errno.ENOSPC),
        (RuntimeError("Error writing bytes to file. Detail: [errno 28] No space left"), errno.ENOSPC),
        (RuntimeError('IO Error: {"exception_message":"Could not write","errno":"28"}'), errno.ENOSPC),
    ],
)
@pytest.mark.parametrize("writer", [atomic_file, atomic_directory])
def test_a_disk_that_fills_under_a_writer_is_named_with_the_path(
    tmp_path: Path, writer: Callable[[Path], Any], error: Exception, number: int
) -> None:
    """Libraries say the reason, if only as a number in their words, and no path."""
    with pytest.raises(StorageError, match=rf"out can't be written \({os.strerror(number)}\); l"):  # noqa: SIM117
        with writer(tmp_path / "out"):
            raise error
    assert list(tmp_path.iterdir()) == []


def test_a_tree_that_is_discarded_leaves_its_name_before_its_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed meanwhile leaves a temporary name, which the next sweep removes."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "file").write_text("x")

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(files, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            discard(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert sweep(tmp_path) != []
    assert list(tmp_path.iterdir()) == []
    discard(tmp_path / "model")  # which another process removed


def test_other_errors_of_writers_stay_what_they_are(tmp_path: Path) -> None:
    for error in (
        RuntimeError("the loss is not finite"),
        StorageError("x (os error 28)"),
        OSError("no number"),
    ):
        with pytest.raises(type(error), match=re.escape(str(error))) as caught, atomic_file(tmp_path / "out"):
            raise error
        assert caught.value is error
