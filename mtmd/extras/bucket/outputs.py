"""Outputs of a line as objects of its bucket.

    <output>/sha256-<16 digits>/<name>   the files of an output, such as of a shard or a model
    <output>/complete.json               names them all; created last: without it there is no output

Files are named by their content, so two machines that make the same output never write over each other. The first to
create `complete.json` has made it; the other takes those files in place of its own.
"""

import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import StorageError
from mtmd.extras.bucket.objects import ObjectPath, is_below
from mtmd.store.files import remove, sha256_file

COMPLETE = "complete.json"
CONTENT = "sha256-"
_AT_ONCE = 8  # requests for content
_VERSIONS = 3  # of an object that is written again while it is read
_log = logging.getLogger(__name__)


class StoredFile(Frozen):
    """One file of an output."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int


def _below(name: str) -> str:
    """A file of an output: whoever writes to the bucket must not write elsewhere on the machines that read it."""
    if not is_below(name):
        raise ValueError(f"{name!r} must stay below the output")
    return name


class Complete(Frozen):
    """What `complete.json` says: the files of an output by their path below it."""

    format: int = 1
    files: dict[Annotated[str, AfterValidator(_below)], StoredFile]

    @property
    def content(self) -> bytes:
        return (json.dumps(self.model_dump(), indent=1, sort_keys=True) + "\n").encode()


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
    ours = described(directory)
    if (first := stored(place)) is None:
        _upload(directory, place, ours)
        if (place / COMPLETE).replace(ours.content, None):
            # A clean-up may have taken for old what an upload before had left under the same keys.
            _upload(directory, place, ours, only_missing=True)
            return
        first = stored(place)
    if first is None:
        raise StorageError(f"{place} was removed while it was written, by a clean-up or a person; run again")
    if first == ours:
        return
    _log.info("%s was made by another machine meanwhile; its files are taken", place)
    for path in list(directory.iterdir()):
        remove(path)
    pull(place, first.files, directory)


def pull(place: ObjectPath, files: Mapping[str, StoredFile], directory: Path) -> None:
    """Fetch files of an output into a directory, and compare each with its digest.

    Raises StorageError that names the object which lacks or differs.
    """
    with ThreadPoolExecutor(_AT_ONCE) as parts, ThreadPoolExecutor(_AT_ONCE) as pool:

        def fetch(name: str) -> None:
            source, target = _object_of(place, name, files[name]), directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            for _ in range(_VERSIONS):  # who makes the same output writes the same content again
                if (found := source.found()) is None:
                    raise StorageError(
                        f"{source} is missing, which {place / COMPLETE} names; remove {place} in the bucket, and run "
                        "again"
                    )
                if found.fetch(target, parts):
                    break
            if (actual := sha256_file(target)) != files[name].sha256:
                raise StorageError(
                    f"{source} has sha256 {actual}; {place / COMPLETE} says {files[name].sha256}: remove {place} in "
                    "the bucket, and run again"
                )

        list(pool.map(fetch, files))


def renew(place: ObjectPath) -> None:
    """Let an output be of this moment: the clean-up sees that it was used."""
    if (found := (place / COMPLETE).content()) is not None:
        (place / COMPLETE).replace(found.bytes, found)  # a clean-up in between has the last word


def erase(place: ObjectPath) -> None:
    """Remove a record, or an output and all that is below it; an output is none as soon as this begins."""
    below = [one.key for one in place.below()]
    commits = {key for key in below if key.endswith(f"/{COMPLETE}")}
    place.delete(sorted(commits) if below else [place.key])
    place.delete([key for key in below if key not in commits])


def described(directory: Path) -> Complete:
    """The files of a directory."""
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    return Complete(
        files={
            str(path.relative_to(directory)): StoredFile(sha256=sha256_file(path), bytes=path.stat().st_size)
            for path in found
        }
    )


def _upload(directory: Path, place: ObjectPath, output: Complete, *, only_missing: bool = False) -> None:
    def put(name: str) -> None:
        target = _object_of(place, name, output.files[name])
        if not only_missing or target.found() is None:
            target.put(directory / name)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(put, output.files))


def _object_of(place: ObjectPath, name: str, file: StoredFile) -> ObjectPath:
    return place / f"{CONTENT}{file.sha256[:16]}" / Path(name).name
