"""Where the durable copy of a path is, when a line's artifacts are in a bucket.

    <MTMD_WORK>/<quoted URL>/<line>/…  ↔  <URL>/<line>/…

A line in a bucket is worked on in a folder of the local disk, which has its files as any line has them. The place of a
path in its bucket can be told from the path alone, so that whatever writes a file below the working folder writes it
to the bucket, and no stage has to know of it. What is a process's or a machine's own stays on the disk.
"""

import os
from pathlib import Path
from urllib.parse import quote, unquote

from mtmd.store.objects import ObjectPath, in_bucket

FOLDER = "MTMD_WORK"
_OWN = (  # of a machine: below a line
    ("work",),  # checkpoints
    ("spool",),
    ("shadow",),
    ("shards", "digests"),  # of files on this machine's disk
    ("monitoring", "profiles", "digests"),
    ("mirrors", "events"),
    ("champion.json",),  # copies of what the registry keeps in the bucket
    ("history.jsonl",),
    ("history",),
)
POINTER = "current.json"  # below ads/: the catalogue's, which only moves from what was seen


def working_folder(url: str) -> Path:
    """The folder of this machine in which the artifacts of a bucket's URL are worked on."""
    return all_lines() / quote(url.rstrip("/"), safe="")


def home(path: Path) -> ObjectPath | None:
    """Where a path below a working folder is in its bucket; None for any other path."""
    parts = _below(path)
    return None if not parts else ObjectPath.of(unquote(parts[0])) / Path(*parts[1:])


def shared(path: Path) -> ObjectPath | None:
    """The same for what is written to the bucket; None, too, for what stays on this machine or is not whole."""
    _, *below = _below(path) or ("",)
    if not below or path.suffix == ".lock" or any(part.startswith(".") for part in below):
        return None
    own = any(tuple(below[1 : 1 + len(names)]) == names for names in _OWN)
    if own or (below[1:2] == ["ads"] and path.name == POINTER) or ".jsonl.damaged" in path.name:
        return None
    return home(path)


def _below(path: Path) -> tuple[str, ...]:
    try:
        parts = path.relative_to(all_lines()).parts
    except (ValueError, RuntimeError):  # a user without a home has no working folder either
        return ()
    return parts if parts and in_bucket(unquote(parts[0])) else ()


def all_lines() -> Path:
    """The folder of this machine that has the working folders of all URLs."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "mtmd-artifacts"
    return Path(os.environ.get(FOLDER) or usual).expanduser().absolute()
