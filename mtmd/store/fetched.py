"""A line's working folder as its bucket has it: records when a command begins, outputs when a stage asks for them.

A directory of the working folder has either all files of its output, or only its JSON files, by which people and the
clean-up find it. Whoever needs the others verifies them, and calls `fetch` where something is lacking or differs.
A listing says what might be new; whether an output is there is asked by its name.
"""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mtmd.errors import StorageError
from mtmd.store.durable import home, shared
from mtmd.store.files import fetched_directory, fetched_file, locked, remove
from mtmd.store.objects import Listed, ObjectPath, is_below
from mtmd.store.pushed import (
    COMPLETE,
    CONTENT,
    StoredFile,
    has_version,
    object_of,
    pull,
    push,
    set_version,
    set_written,
    stored,
)
from mtmd.store.room import make_room
from mtmd.store.sha256 import sha256_file

_AT_ONCE = 16  # small objects
_TAKEN_BACK = (  # records that are removed when they no longer hold
    "failures",  # their day was decided after all
    "mirrors",  # no preset names them any more
)
_LARGEST = 4 << 20  # bytes of a JSON file that is fetched to be shown
_PATIENCE_S = 3600.0  # another process fetches the same output, which may be large
_log = logging.getLogger(__name__)


class Swept(NamedTuple):
    """Objects below an output's place that no complete output names."""

    place: ObjectPath
    bytes: int


def fetch(directory: Path) -> bool:
    """Bring an output to the disk whole; whether its bucket has it. False for what is in no bucket.

    Files that are there and as they must be stay. Raises StorageError for an output that was damaged in the bucket.
    """
    if (there := shared(directory)) is None or (known := stored(there)) is None:
        return False
    with locked(directory.with_name(f".fetch-{directory.name}.lock"), _PATIENCE_S):
        lacking = {name: file for name, file in known.files.items() if not _is(directory / name, file.sha256)}
        if lacking or _names(directory) - known.files.keys():
            make_room()
            with fetched_directory(directory) as temporary:
                for name in known.files.keys() - lacking.keys():
                    (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                    os.link(directory / name, temporary / name)
                pull(there, lacking, temporary)
    return True


def require_durable(directory: Path) -> None:
    """Have an output, whole on the disk, in its bucket, before something there points to it."""
    if (there := shared(directory)) is not None and stored(there) is None:
        push(directory, there)


def fetch_record(path: Path) -> bool:
    """Bring one record to the disk by its name; whether its bucket has it. False for what is in no bucket."""
    there = shared(path)
    return there is not None and (found := there.found()) is not None and _write(found, path)


def files_of(directory: Path) -> set[str]:
    """Names of an output's files, on the disk and in its bucket."""
    there = shared(directory)
    known = None if there is None else stored(there)
    return _names(directory) | (set() if known is None else known.files.keys())


def refresh(line: Path) -> None:
    """Bring the records of a line in a bucket to the disk, and the JSON files of its outputs; elsewhere nothing.

    What was removed from the bucket stays on the disk: the clean-up of this machine removes it by its age. Only records
    that no longer hold leave it at once.
    """
    if (there := home(line)) is None:
        return
    make_room()
    line.mkdir(parents=True, exist_ok=True)
    ways = {_way(there, one): one for one in there.below()}
    outputs = {way.parent: one for way, one in ways.items() if way.name == COMPLETE}
    records = {way: one for way, one in ways.items() if way.name != COMPLETE and _output_of(way) is None}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda way: _refresh_record(_at(there, records[way]), line / way), records))
        list(pool.map(lambda way: _refresh_output(there / way, line / way, outputs[way]), outputs))
    for path in (path for folder in _TAKEN_BACK for path in (line / folder).glob("*.json")):
        if PurePosixPath(path.relative_to(line)) not in records:
            remove(path)


def sweep_uploads(line: Path, before_s: float) -> list[Swept]:
    """Remove what uploads left that did not end: objects from before a time that no complete output names.

    Another machine may make such an output meanwhile: what it has written since stays, and an output that lost a file
    all the same is none, with a warning, so that it is made again.
    """
    if (there := home(line)) is None:
        return []
    left: dict[PurePosixPath, list[Listed]] = {}
    for one in there.below():
        if one.written_s < before_s and (output := _output_of(_way(there, one))) is not None:
            left.setdefault(output, []).append(one)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        swept = pool.map(lambda output: _sweep_output(there / output, left[output]), left)
        return [one for one in swept if one is not None]


def _sweep_output(place: ObjectPath, objects: list[Listed]) -> Swept | None:
    """Files are named by their content: who makes an output again writes these very keys, and then `complete.json`."""
    same = [one for one in _unnamed(place, objects) if _is_as_listed(place, one)]
    removed = _unnamed(place, same) if same else []
    if not removed:
        return None
    place.bucket.delete([one.key for one in removed])
    if len(_unnamed(place, removed)) < len(removed):
        complete = place / COMPLETE
        _log.warning(
            "%s was made while the clean-up removed old files of it; %s is removed, and the next run makes it again",
            place,
            complete,
        )
        place.bucket.delete([complete.key])
    return Swept(place, sum(one.size for one in removed))


def _is_as_listed(place: ObjectPath, listed: Listed) -> bool:
    """Whether an object was not written again since it was listed, also not with the same content."""
    now = place.bucket.find(listed.key)
    return now == listed and now.written_s == listed.written_s


def _unnamed(place: ObjectPath, objects: list[Listed]) -> list[Listed]:
    """Those objects of an output that its `complete.json` does not name; all where it has none."""
    known = stored(place)
    named = set() if known is None else {object_of(place, *file).key for file in known.files.items()}
    return [one for one in objects if one.key not in named]


def _refresh_record(found: ObjectPath, path: Path) -> None:
    if shared(path) is None:
        return
    listed = found.as_listed
    with suppress(FileNotFoundError):
        status = path.stat()
        if status.st_size == listed.size and has_version(status, listed.e_tag):
            if int(status.st_mtime) != listed.written_s:  # this machine wrote it, by its own clock
                set_version(path, listed.written_s, listed.e_tag)
            return
    _write(found, path)


def _refresh_output(place: ObjectPath, directory: Path, complete: Listed) -> None:
    if not directory.exists() and (known := stored(place)) is not None:
        shown = {name: file for name, file in known.files.items() if _is_shown(name, file)}
        with fetched_directory(directory, whole=False) as temporary:
            pull(place, shown, temporary)
    with suppress(FileNotFoundError):
        if int(directory.stat().st_mtime) != complete.written_s:
            set_written(directory, complete.written_s)


def _is_shown(name: str, file: StoredFile) -> bool:
    return name.endswith(".json") and file.bytes <= _LARGEST


def _write(found: ObjectPath, path: Path) -> bool:
    """Write a small object to the disk; False where it was removed a moment ago."""
    with suppress(FileNotFoundError):
        content = found.read_bytes()
        with fetched_file(path) as temporary:
            temporary.write_bytes(content)
            set_version(temporary, found.as_listed.written_s, found.as_listed.e_tag)
        return True
    return False


def _names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_file(path) == sha256


def _at(there: ObjectPath, listed: Listed) -> ObjectPath:
    return ObjectPath(there.bucket, listed.key, listed)


def _way(there: ObjectPath, listed: Listed) -> PurePosixPath:
    way = listed.key.removeprefix(f"{there.key}/")
    if not is_below(way):
        raise StorageError(
            f"the object {listed.key} must stay below {there.key}, and its key leads elsewhere; remove it, then "
            "run again"
        )
    return PurePosixPath(way)


def _output_of(way: PurePosixPath) -> PurePosixPath | None:
    """The output that an object is a file of; None for a record."""
    return way.parent.parent if way.parent.name.startswith(CONTENT) else None
