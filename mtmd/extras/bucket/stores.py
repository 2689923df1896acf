"""A line of models in a bucket, worked on in a folder of this machine's disk.

    <MTMD_WORK>/<quoted URL>/<line>/…  ↔  <URL>/<line>/…

The working folder has the line's files as any line has them. What is written goes to the bucket first, so what is
whole on the disk is whole in the bucket. An output that another machine made has only its JSON files here, by which
people and the clean-up find it, until a stage asks for the others.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from mtmd.errors import StorageError
from mtmd.extras.bucket.objects import Content, Listed, ObjectPath, require_below
from mtmd.extras.bucket.outputs import COMPLETE, UPLOAD, erase, pull, push, renew, stored
from mtmd.store import files
from mtmd.store.stores import FOLDER, Store, in_bucket
from mtmd.store.workspace import file_digests

WORK = "MTMD_WORK"
_LOCAL = (  # folders of a line that are this machine's
    ("work",),  # checkpoints
    ("spool",),
    ("shadow",),
    ("shards", "pending"),
    ("shards", "digests"),  # of files on this machine's disk
    ("monitoring", "profiles", "digests"),
)
_TAKEN_BACK = ("failures",)  # folders of records that are removed when they no longer hold
_AT_ONCE = 16  # small objects
_PATIENCE_S = 3600.0  # another process fetches the same output, which may be large


def working_folder(url: str) -> Path:
    """The folder of this machine in which the artifacts of a bucket's URL are worked on."""
    if not url.startswith("s3:"):
        raise StorageError(f"{url} can't have artifacts; use s3://bucket/prefix, or a local folder")
    return _all_lines() / quote(ObjectPath.of(url).url, safe="")


def store_of(path: Path) -> Store | None:
    """The store of a path below a working folder; None for any other path."""
    try:
        url, *below = path.relative_to(_all_lines()).parts
    except (ValueError, RuntimeError):  # a user without a home has no working folder either
        return None
    if not in_bucket(unquote(url)):
        return None
    hidden = path.suffix == ".lock" or any(part.startswith(".") for part in below)
    local = any(tuple(below[1 : 1 + len(names)]) == names for names in _LOCAL)
    return FOLDER if hidden or local else BucketStore(ObjectPath.of(unquote(url)), _all_lines() / url)


def _all_lines() -> Path:
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "mtmd-artifacts"
    return Path(os.environ.get(WORK) or usual).expanduser().absolute()


class BucketStore(Store):
    """The store of all lines below a bucket's prefix, which are worked on in `folder`."""

    elsewhere = True

    def __init__(self, root: ObjectPath, folder: Path) -> None:
        self._root, self._folder = root, folder

    def place(self, path: Path) -> str:
        return str(self._at(path))

    def write_text(self, path: Path, text: str) -> None:
        self._at(path).put(text.encode())
        files.write_text(path, text)

    def read(self, path: Path) -> bytes | None:
        found = self._at(path).content()
        return None if found is None else found.bytes

    def replace(self, path: Path, content: bytes, seen: bytes | None) -> bool:
        there = self._at(path)
        found = None if seen is None else there.content()
        if (None if found is None else found.bytes) != seen:
            return False
        return there.replace(content, found)

    def names(self, folder: Path) -> list[str]:
        return [place.name for place in self._at(folder).iterdir()]

    @contextmanager
    def atomic_directory(self, final: Path) -> Iterator[Path]:
        with files.atomic_directory(final) as temporary:
            yield temporary
            push(temporary, self._at(final))
            if final.is_dir() and file_digests(final) != file_digests(temporary):
                files.remove(final)  # another process has brought its JSON files

    def commit(self, directory: Path) -> None:
        there = self._at(directory)
        if stored(there) is None:
            push(directory, there)

    def fetch(self, path: Path) -> bool:
        """An output that is there and as it must be stays.

        Raises StorageError for an output that was damaged in the bucket.
        """
        there = self._at(path)
        if path.suffix and (found := there.content()) is not None:
            _write(found, path)
            return True
        if (known := stored(there)) is None:
            return False
        with files.locked(path.with_name(f".fetch-{path.name}.lock"), _PATIENCE_S):
            if file_digests(path) != known.files:
                with files.atomic_directory(path) as temporary:
                    pull(there, known, temporary)
                    files.remove(path)
        return True

    def touch(self, path: Path) -> None:
        files.touch(path)
        renew(self._at(path))

    def discard(self, path: Path) -> None:
        erase(self._at(path))
        files.discard(path)

    def size(self, path: Path) -> int:
        """As the bucket has it: on the disk there may be less."""
        there = self._at(path)
        return sum(one.size for one in there.below()) or FOLDER.size(path)

    def refresh(self, line: Path) -> None:
        """Also the JSON files of outputs. A listing says what is new.

        What was removed from the bucket stays on the disk: the clean-up of this machine removes it by its age. Only
        records that no longer hold leave it at once.
        """
        there = self._at(line)
        line.mkdir(parents=True, exist_ok=True)
        ways = {
            PurePosixPath(require_below(one.key.removeprefix(f"{there.key}/"), one.key)): one
            for one in there.below()
        }
        outputs = {way.parent: one for way, one in ways.items() if way.name == COMPLETE}
        records = {
            way: one
            for way, one in ways.items()
            if way.name != COMPLETE and f"/{UPLOAD}" not in str(way) and store_of(line / way) is not FOLDER
        }
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda way: _refresh_record(there / way, line / way, records[way]), records))
            list(pool.map(lambda way: _refresh_output(there / way, line / way, outputs[way]), outputs))
        for path in (path for folder in _TAKEN_BACK for path in (line / folder).glob("*.json")):
            if PurePosixPath(path.relative_to(line)) not in records:
                files.remove(path)

    def _at(self, path: Path) -> ObjectPath:
        return self._root / path.relative_to(self._folder)


def _refresh_record(place: ObjectPath, path: Path, listed: Listed) -> None:
    """Bring a record, unless the one on the disk has its size and is of its second."""
    there = path.stat() if path.is_file() else None
    is_same = there is not None and (there.st_size, there.st_mtime) == (listed.size, listed.written_s)
    if not is_same and (found := place.content()) is not None:
        _write(found, path)


def _refresh_output(place: ObjectPath, directory: Path, complete: Listed) -> None:
    """Bring an output's JSON files, if nothing of it is there; the directory is as old as the output."""
    if not directory.exists() and (known := stored(place)) is not None:
        shown = [name for name in known.files if name.endswith(".json")]
        with files.atomic_directory(directory) as temporary:
            pull(place, known, temporary, shown)
    with suppress(FileNotFoundError):
        os.utime(directory, (complete.written_s, complete.written_s))


def _write(found: Content, path: Path) -> None:
    """Write a record to the disk; it is as old as the object."""
    with files.atomic_file(path) as temporary:
        temporary.write_bytes(found.bytes)
        os.utime(temporary, (found.listed.written_s, found.listed.written_s))
