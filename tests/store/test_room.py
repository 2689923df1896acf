"""What leaves the disk of a machine that works on lines in buckets."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mtmd.errors import ConfigError
from mtmd.store.durable import all_lines
from mtmd.store.files import artifacts_folder, write_json
from mtmd.store.outputs import make_once
from mtmd.store.room import make_room
from tests.buckets import S3

MIB = 1 << 20


@pytest.fixture
def line(machine: Callable[[str], Path]) -> Path:
    """With four outputs of a MiB, read 2 to 5 days ago, and a checkpoint."""
    root = machine("a")
    for days in range(1, 5):
        path = root / "trained" / f"mtmd-{days}"
        make_once(path, lambda directory: (directory / "weights").write_bytes(bytes(MIB)) and None)
        age(path, days + 1.5)
    write_json(root / "work" / "mtmd-1" / "state", {})
    return root


def age(path: Path, days: float) -> None:
    then = time.time() - days * 24 * 3600
    for one in (path, *path.rglob("*")):
        os.utime(one, (then, then))


def allow(monkeypatch: pytest.MonkeyPatch, mib: float) -> None:
    monkeypatch.setenv("MTMD_WORK_GIB", str(mib / 1024))


def test_what_was_read_longest_ago_goes_first_and_comes_back(
    line: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_room() == []  # without a bound
    allow(monkeypatch, 2.5)
    assert [path.name for path in make_room()] == ["mtmd-4", "mtmd-3"]
    assert make_room() == []
    gone = line / "trained" / "mtmd-4"
    assert [path.name for path in gone.iterdir()] == ["manifest.json"]
    assert (line / "work" / "mtmd-1" / "state").is_file()

    def explode(_: Path) -> None:
        raise AssertionError("made again")

    assert make_once(gone, explode)
    assert len((gone / "weights").read_bytes()) == MIB


def test_what_was_used_within_a_day_or_is_in_no_bucket_stays(
    s3: S3, line: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    age(line / "trained" / "mtmd-4", 0)
    s3.path("s3://art/team/line/trained/mtmd-3/complete.json").unlink()
    allow(monkeypatch, 0.5)
    assert {path.name for path in make_room()} == {"mtmd-2", "mtmd-1"}
    assert "more than MTMD_WORK_GIB allows (0.0 GiB): the rest was used within a day" in caplog.text


def test_outputs_may_come_and_go_meanwhile(line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, 1000)
    done = threading.Event()

    def replace() -> None:
        models = line / "models"
        while not done.is_set():
            (models / "one" / "graphs").mkdir(parents=True)
            (models / "one" / "graphs" / "a.onnx").write_bytes(b"1")
            (models / "one").rename(models / "two")
            shutil.rmtree(models / "two")

    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(replace)
        try:
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                assert make_room() == []
        finally:
            done.set()
    assert replacing.result() is None


@pytest.mark.parametrize("text", ["none", "0", "-1", "nan"])
def test_a_bound_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTMD_WORK_GIB", text)
    with pytest.raises(ConfigError, match=rf"^MTMD_WORK_GIB \('{text}'\) must be a number of GiB above 0"):
        make_room()


def test_outputs_of_a_bucket_that_is_gone_stay_and_hold_nobody_up(
    s3: S3, line: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (s3.root / "old").mkdir()
    other = artifacts_folder("s3://old/team") / "line" / "trained" / "mtmd-9"
    make_once(other, lambda directory: (directory / "weights").write_bytes(bytes(MIB)) and None)
    age(other, 9)
    (s3.root / "old").rename(s3.root / "renamed")
    # of an account that this machine has no credentials for
    denied = all_lines() / "az%3A%2F%2Fold" / "line" / "trained" / "mtmd-8"
    denied.mkdir(parents=True)
    (denied / "weights").write_bytes(bytes(MIB))
    age(denied, 8)
    allow(monkeypatch, 4.5)
    assert [path.name for path in make_room()] == ["mtmd-4", "mtmd-3"]
    assert all((stays / "weights").is_file() for stays in (other, denied))
    assert f"{other} stays, because its bucket can't be asked for it" in caplog.text
