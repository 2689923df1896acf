"""Disks that are full, read-only or out of inodes: a small file system in memory, mounted for one fault."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.faults.line import Fault, Line

GROUP = "disks"
_MB = 1 << 20
_FREE_KB = (0, 4, 16, 64)


def faults() -> Iterator[Fault]:
    """The last stages, which write some hundred kilobytes, with less room than that, on other grounds, or none."""
    for free in _FREE_KB:
        yield _fault(f"full but for {free} kB", partial(_fill, free), "No space left")
    yield _fault("mounted read-only", _read_only, "Read-only file system")
    yield _fault("without inodes", _without_inodes, "No space left")
    for folder in ("models", "runs", "ads"):
        strike = partial(_a_file_instead, folder)
        yield Fault(
            GROUP, f"a file where the folder {folder} must be", "refused", strike, words=f"{folder}.*folder"
        )


def unmount(line: Line) -> None:
    """Take away what a fault of this module mounted."""
    if os.path.ismount(line.artifacts):
        subprocess.run(["umount", "--lazy", line.artifacts], check=True)


def _fault(name: str, spoil: Callable[[Line], None], words: str) -> Fault:
    return Fault(GROUP, f"artifacts on a disk {name}", "refused", partial(_on_own_disk, spoil), words=words)


def _on_own_disk(spoil: Callable[[Line], None], line: Line) -> None:
    line.undo_decision()
    aside = line.artifacts.rename(line.artifacts.with_name("aside"))
    line.artifacts.mkdir()
    size = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file()) + 64 * _MB
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", line.artifacts],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a file system can't be mounted here: {mounted.stderr.decode().strip()}")
    shutil.copytree(aside, line.artifacts, dirs_exist_ok=True)
    spoil(line)


def _fill(free_kb: int, line: Line) -> None:
    filler = line.artifacts / "filler"
    free = os.statvfs(line.artifacts)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_bsize - (free_kb << 10))
    line.causes.append(filler.unlink)


def _read_only(line: Line) -> None:
    _mount_again(line.artifacts, "ro")
    line.causes.append(lambda: _mount_again(line.artifacts, "rw"))


def _without_inodes(line: Line) -> None:
    used = os.statvfs(line.artifacts).f_files - os.statvfs(line.artifacts).f_ffree
    _mount_again(line.artifacts, f"nr_inodes={used}")
    line.causes.append(lambda: _mount_again(line.artifacts, "nr_inodes=100000"))


def _mount_again(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def _a_file_instead(folder: str, line: Line) -> None:
    line.undo_decision()
    place, aside = line.root / folder, line.root / f"{folder}-aside"
    place.rename(aside)
    place.write_text("")
    line.causes.append(lambda: (place.unlink(), aside.rename(place)))
