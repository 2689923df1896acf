"""Outputs of a line as objects of its bucket.

    <output>/upload-<16 digits>/<name>   the files of an output, such as of a shard or a model
    <output>/complete.json               names the upload and its files; created last: without it there is no output

Each upload has a name of its own, so two machines that make the same output never write over each other. The first to
create `complete.json` has made it; the other takes those files in place of its own.
"""

import logging
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationError

from mtmd.config import Frozen
from mtmd.errors import StorageError
from mtmd.extras.bucket.objects import ObjectPath, is_below
from mtmd.store.files import remove, sha256_file
from mtmd.store.workspace import file_digests

COMPLETE = "complete.json"
UPLOAD = "upload-"
_AT_ONCE = 8  # requests for content
_log = logging.getLogger(__name__)


def _below(name: str) -> str:
    """A file of an output: whoever writes to the bucket must not write elsewhere on the machines that read it."""
    if not is_below(name):
        raise ValueError(f"{name!r} must stay below the output")
    return name


class Complete(Frozen):
    """What `complete.json` says: the upload, and the sha256 of each file of an output by its path below it."""

    upload: Annotated[str, AfterValidator(_below)]
    files: dict[Annotated[str, AfterValidator(_below)], str]


def stored(place: ObjectPath) -> Complete | None:
    """What an output in the bucket has; None where it is not there, or not complete.

    Raises StorageError where that can't be read.
    """
    if (found := (place / COMPLETE).content()) is None:
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
    ours = Complete(upload=f"{UPLOAD}{uuid.uuid4().hex[:16]}", files=file_digests(directory))
    if (first := stored(place)) is None:
        _each(ours.files, lambda name: (place / ours.upload / name).put(directory / name))
        if (place / COMPLETE).replace(ours.model_dump_json().encode(), None):
            return
        first = stored(place)
    if first is None:
        raise StorageError(f"{place} was removed while it was written, by a clean-up or a person; run again")
    if first.files != ours.files:
        _log.info("%s was made by another machine meanwhile; its files are taken", place)
        for path in list(directory.iterdir()):
            remove(path)
        pull(place, first, directory)


def pull(place: ObjectPath, output: Complete, directory: Path, names: Iterable[str] | None = None) -> None:
    """Fetch files of an output, all if none are named, into a directory, and compare each with its digest.

    Raises StorageError that names the object which lacks or differs.
    """

    def fetch(name: str) -> None:
        source, target, wanted = place / output.upload / name, directory / name, output.files[name]
        says = f"{place / COMPLETE} says {wanted}: remove {place} in the bucket, and run again"
        if not source.download(target):
            raise StorageError(f"{source} is missing; {says}")
        if (actual := sha256_file(target)) != wanted:
            raise StorageError(f"{source} has sha256 {actual}; {says}")

    _each(output.files if names is None else names, fetch)


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


def _each(names: Iterable[str], do: Callable[[str], object]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(do, names))
