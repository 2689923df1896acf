"""Outputs and records of a line as objects of its bucket.

    <output>/sha256-<16 digits>/<name>   the files of an output, such as of a shard or a model
    <output>/complete.json               names them all; created last: without it there is no output
    <record>                             a file by itself, such as a run's summary: the last one stays

Files are named by their content, so two machines that make the same output never write over each other. The first to
create `complete.json` has made it; the other takes those files in place of its own.
"""

import hashlib
import json
import logging
import os
import random
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from mtmd.errors import StorageError
from mtmd.store.objects import ObjectPath, is_below
from mtmd.store.sha256 import sha256_file

COMPLETE = "complete.json"
CONTENT = "sha256-"
_AT_ONCE = 8  # requests for content
_VERSIONS, _PAUSE_S = 3, 0.5  # of an object that is written again while it is read; between two of them
_log = logging.getLogger(__name__)


class StoredFile(BaseModel):
    """One file of an output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int


def _below(name: str) -> str:
    """A file of an output: whoever writes to the bucket must not write elsewhere on the machines that read it."""
    if not is_below(name):
        raise ValueError(f"{name!r} must stay below the output")
    return name


class Complete(BaseModel):
    """What `complete.json` says: the files of an output by their path below it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    files: dict[Annotated[str, AfterValidator(_below)], StoredFile]

    @property
    def content(self) -> bytes:
        return (json.dumps(self.model_dump(), indent=1, sort_keys=True) + "\n").encode()


def described(directory: Path) -> Complete:
    """The files of a directory."""
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    return Complete(
        files={
            str(path.relative_to(directory)): StoredFile(sha256=sha256_file(path), bytes=path.stat().st_size)
            for path in found
        }
    )


def stored(place: ObjectPath) -> Complete | None:
    """What an output in the bucket has; None where it is not there, or not complete.

    Raises StorageError where that can't be read.
    """
    found = (place / COMPLETE).content()
    if found is None:
        return None
    try:
        return Complete.model_validate_json(found.bytes)
    except ValidationError as error:
        raise StorageError(
            f"{place / COMPLETE} can't be read ({error.errors()[0]['msg']}); remove {place} in the bucket, "
            "and run again"
        ) from error


def push(directory: Path, place: ObjectPath) -> None:
    """Let a finished directory be an output of the bucket; where another machine was first, get its files instead.

    Raises StorageError where the output is removed meanwhile, or is damaged in the bucket.
    """
    own = described(directory)
    if (first := stored(place)) is None:
        _upload(directory, place, own)
        if (place / COMPLETE).create(own.content):
            # A clean-up may have taken for old what an upload before had left under the same keys.
            _upload(directory, place, own, only_missing=True)
            return
        first = stored(place)
    if first is None:
        raise StorageError(f"{place} was removed while it was written, by a clean-up or a person; run again")
    if first == own:
        return
    _log.info("%s was made by another machine meanwhile; its files are taken", place)
    for path in list(directory.iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    pull(place, first.files, directory)


def _upload(directory: Path, place: ObjectPath, own: Complete, *, only_missing: bool = False) -> None:
    def put(name: str) -> None:
        target = object_of(place, name, own.files[name])
        if not only_missing or target.found() is None:
            target.put(directory / name)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(put, own.files))


def pull(place: ObjectPath, files: Mapping[str, StoredFile], directory: Path) -> None:
    """Fetch files of an output into a directory, and compare each with its digest.

    Raises StorageError that names the object which lacks or differs.
    """
    with ThreadPoolExecutor(_AT_ONCE) as parts, ThreadPoolExecutor(_AT_ONCE) as pool:

        def fetch(name: str) -> None:
            source, target = object_of(place, name, files[name]), directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not _fetched(source, target, parts):
                raise StorageError(
                    f"{source} is missing, which {place / COMPLETE} names; remove {place} in the bucket, and run again"
                )
            if (actual := sha256_file(target)) != files[name].sha256:
                raise StorageError(
                    f"{source} has sha256 {actual}; {place / COMPLETE} says {files[name].sha256}: remove {place} in "
                    "the bucket, and run again"
                )

        list(pool.map(fetch, files))


def keep(path: Path, place: ObjectPath) -> None:
    """Write a record to the bucket; its file gets a time by which a newer version of it is known."""
    set_version(path, int(time.time()), place.put(path))


def renew(place: ObjectPath) -> None:
    """Let an output be of this moment, as `touch` does: the clean-up sees that it was used."""
    if (found := (place / COMPLETE).content()) is not None:
        (place / COMPLETE).replace(found.bytes, found)  # a clean-up in between has the last word


def erase(place: ObjectPath) -> None:
    """Remove a record, or an output and all that is below it; an output is none as soon as this begins."""
    below = [one.key for one in place.below()]
    commits = {key for key in below if key.endswith(f"/{COMPLETE}")}
    place.bucket.delete(sorted(commits) if below else [place.key])
    place.bucket.delete([key for key in below if key not in commits])


def set_written(path: Path, written_s: int) -> None:
    """Give a directory a time of the bucket's clock."""
    os.utime(path, (path.stat().st_atime, written_s))


def set_version(path: Path, written_s: int, e_tag: str) -> None:
    """Give a record's file the second of its writing; the fraction of that second is a digest of its e-tag.

    Machines may write a record within one second and at the same length: only the e-tag tells those apart.
    """
    os.utime(path, ns=(path.stat().st_atime_ns, written_s * 1_000_000_000 + _fraction_ns(e_tag)))


def has_version(status: os.stat_result, e_tag: str) -> bool:
    """Whether a record's file is of this e-tag; a file that was changed on the disk has another time, so it is not."""
    return status.st_mtime_ns % 1_000_000_000 == _fraction_ns(e_tag)


def _fraction_ns(e_tag: str) -> int:
    """Whole microseconds, which every file system keeps that has more than seconds."""
    return int(hashlib.sha256(e_tag.encode()).hexdigest(), 16) % 1_000_000 * 1_000


def object_of(place: ObjectPath, name: str, file: StoredFile) -> ObjectPath:
    """Where a file of an output is."""
    return place / f"{CONTENT}{file.sha256[:16]}" / Path(name).name


def _fetched(source: ObjectPath, target: Path, parts: Executor) -> bool:
    """Fetch an object of an output; False where it is missing.

    A machine that makes the same output writes the same content again, under another e-tag where the store encrypts:
    then it is read once more.
    """
    seen = set()
    for attempt in range(_VERSIONS):
        if attempt:
            time.sleep(random.uniform(0.5, 1.0) * _PAUSE_S * 2**attempt)
        if (found := source.found()) is None:
            return False
        if found.fetch(target, parts):
            return True
        seen.add(found.as_listed)
    if len(seen) > 1:
        raise StorageError(
            f"{source} is written again and again while it is read; run again when that has ended"
        )
    (listed,) = seen
    raise StorageError(
        f"{source} has {listed.size} bytes and the e-tag {listed.e_tag} as the store says, and what it gives has "
        "another size or e-tag; see what changes objects between the store and this machine, then run again"
    )
