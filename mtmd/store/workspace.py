"""Outputs and records of a line's stages: where they are, and how they are read and written in the line's store.

Each preset has a directory of its own: a line of models with its own champion. An output is a directory with a manifest
of its name and its files' digests, which a complete one fits. What is not on the disk is asked for in the store.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from mtmd.config import Preset
from mtmd.errors import StorageError
from mtmd.store.files import read_json, sha256_file, write_json
from mtmd.store.sealed import json_text, sealed_text
from mtmd.store.stores import Store, artifacts_folder, store_of

# Of a line's index and of the links in its pages; of the list of lines, where those lie.
INDEX_LOCK = "index.lock"
_MANIFEST, _NAME = "manifest.json", "output"
_log = logging.getLogger(__name__)
_Record = TypeVar("_Record", bound=BaseModel)


@dataclass(frozen=True)
class Workspace:
    """Paths below `artifacts/<preset>`; artifacts/README.md describes them."""

    root: Path

    @classmethod
    def of(cls, artifacts: str | Path, preset: Preset) -> "Workspace":
        """Of a folder, or of a bucket's URL."""
        return cls(artifacts_folder(artifacts) / preset.name)

    @property
    def place(self) -> str:
        """Where the line is, for people: a folder, or a bucket's URL."""
        return self.store.place(self.root)

    @property
    def store(self) -> Store:
        """What keeps the line's outputs and records."""
        return store_of(self.root)

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    def validation(self, day: date) -> Path:
        return self.root / "validation" / f"date={day.isoformat()}"

    def latest_validation(self, as_of: date) -> Path:
        """What the suites said in the latest run of a day."""
        return self.root / "validation" / f"as_of={as_of.isoformat()}.json"

    @property
    def monitoring(self) -> Path:
        return self.root / "monitoring"

    def failure(self, as_of: date) -> Path:
        """Why the latest run of a day ended with an error."""
        return self.root / "failures" / f"as_of={as_of.isoformat()}.json"

    def trained(self, kind: str, key: str) -> Path:
        return self.root / "trained" / f"{kind}-{key[:16]}"

    def work(self, kind: str, key: str) -> Path:
        return self.root / "work" / f"{kind}-{key[:16]}"

    def evaluation(self, key: str) -> Path:
        return self.root / "evaluations" / key[:16]

    def run(self, as_of: date, key: str, decision: str) -> Path:
        return self.root / "runs" / f"{as_of.isoformat()}-{key[:10]}-{decision[:6]}"


def read_record(path: Path, kind: type[_Record]) -> _Record | None:
    """What a run wrote down; None where it is not there.

    None, too, with a warning, where it can't be read: it was damaged, or written by a version with other fields.
    """
    if not path.is_file() and not store_of(path).fetch(path):
        return None
    try:
        return kind.model_validate(read_json(path))
    except (StorageError, ValidationError) as error:
        if not path.exists():  # removed a moment ago
            return None
        why = str(error).splitlines()[0]
        _log.warning("%s is not used, because it can't be read as a %s: %s", path, kind.__name__, why)
        return None


def write_record(path: Path, value: BaseModel, *, seal: bool = False) -> None:
    """Replace what a run wrote down; with `seal`, `read_record` compares it with its digest."""
    content = value.model_dump(mode="json")
    store_of(path).write_text(path, sealed_text(content) if seal else json_text(content))


def written(record: Path) -> datetime:
    """When a record was written, in UTC; where others read it from a bucket, in whole seconds."""
    return datetime.fromtimestamp(record.stat().st_mtime, UTC)


def file_digests(directory: Path) -> dict[str, str]:
    """Hex sha256 of every file below a directory, by its path from there."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): sha256_file(path) for path in files}


def is_complete(directory: Path) -> bool:
    """Whether the directory exists and every file is as its manifest says; what a store elsewhere has is fetched."""
    return _verifies(directory) or (store_of(directory).fetch(directory) and _verifies(directory))


def _verifies(directory: Path) -> bool:
    manifest = directory / _MANIFEST
    if not manifest.is_file():
        return False
    try:
        content = dict(read_json(manifest))
        files: dict[str, str] = dict(content["files"])
    except (StorageError, KeyError, TypeError, ValueError):  # damaged after it was written
        return False
    if content.get(_NAME) != directory.name:  # another output was put in its place
        return False
    return bool(files) and differing_file(directory, files) is None


def differing_file(directory: Path, files: Mapping[str, str], whose: str = "") -> str | None:
    """What differs between a directory and the sha256 of each of its files, in words that name it; None if nothing.

    A file without a digest counts, but for the manifest itself and names that begin with a dot, which systems leave.
    """
    for name, expected in files.items():
        path = directory / name
        actual = sha256_file(path) if path.is_file() else "nothing"
        if actual != expected:
            return f"{path}{whose} is {actual}; its manifest says sha256 {expected}"
    there = (path.relative_to(directory) for path in directory.rglob("*") if not path.is_dir())
    unknown = (str(path) for path in there if not any(part.startswith(".") for part in path.parts))
    extra = sorted(set(unknown) - files.keys() - {_MANIFEST})
    return f"{directory / extra[0]}{whose} is not in its manifest" if extra else None


def make_once(directory: Path, build: Callable[[Path], None]) -> bool:
    """Fill the directory with `build` unless it is complete already; returns whether it was reused.

    A directory that does not verify was damaged after it was written: it is made again.
    """
    if is_complete(directory):
        return True
    if directory.exists():
        _log.warning("%s is made again, because its files are not as its manifest says", directory)
        store_of(directory).discard(directory)
    with store_of(directory).atomic_directory(directory) as temporary:
        build(temporary)
        write_json(temporary / _MANIFEST, {"files": file_digests(temporary), _NAME: directory.name})
    return False
