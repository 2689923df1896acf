"""Room on the disk of a machine that works on lines in buckets: outputs that were not read for long leave it.

Only what is in the bucket whole goes, and never what was written or read within a day. Linux notes a reading up to a
day late (relatime), so two days are waited for; where it notes none (noatime), writing counts alone. The JSON files
stay, by which people and the clean-up find an output; `fetch` brings the others back.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from mtmd.errors import ConfigError, MtmdError, UnreachableError
from mtmd.store.durable import all_lines, shared
from mtmd.store.files import matching
from mtmd.store.objects import in_bucket
from mtmd.store.pushed import stored

BOUND = "MTMD_WORK_GIB"
_OUTPUTS = ("shards/date=*/*", "models/*", "trained/*", "evaluations/*", "graphs/*/*", "ads/*/*")  # of a line
_GIB, _GRACE_S = 1 << 30, 48 * 3600
_log = logging.getLogger(__name__)


class _Output(NamedTuple):
    used_s: float
    bytes: int
    path: Path
    files: tuple[Path, ...]


def make_room() -> list[Path]:
    """Let the outputs that were read longest ago leave the disk, until the bound holds; returns them.

    MTMD_WORK_GIB is the bound, without which nothing goes. Raises ConfigError where it is no number above 0.
    """
    if (bound := _bound()) is None:
        return []
    outputs = sorted(_outputs())
    total, gone = sum(output.bytes for output in outputs), []
    unreachable: set[str] = set()
    for output in outputs:
        if total <= bound or output.used_s > time.time() - _GRACE_S:
            break
        if _is_in_bucket(output.path, unreachable):
            for file in output.files:
                file.unlink(missing_ok=True)
            total -= output.bytes
            gone.append(output.path)
    if total > bound:
        _log.warning(
            "%s holds %.1f GiB, more than %s allows (%.1f GiB): the rest was used within a day, or may be nowhere else",
            all_lines(),
            total / _GIB,
            BOUND,
            bound / _GIB,
        )
    return gone


def _is_in_bucket(path: Path, unreachable: set[str]) -> bool:
    """Whether an output is in its bucket whole; not, with a warning, where that can't be told.

    The machine may have worked with a bucket that is gone by now, or that it has no credentials for. Whoever makes room
    may work with another one. The working folders of such buckets are added to `unreachable`, and not asked for again.
    """
    if (folder := _folder(path)) in unreachable:
        return False
    try:
        there = shared(path)
        return there is not None and stored(there) is not None
    except MtmdError as error:
        if isinstance(error, ConfigError | UnreachableError):
            unreachable.add(folder)
        _log.warning("%s stays, because its bucket can't be asked for it: %s", path, error)
        return False


def _folder(path: Path) -> str:
    """The name of the working folder that a path is in: its bucket's quoted URL."""
    return path.relative_to(all_lines()).parts[0]


def _bound() -> float | None:
    text = os.environ.get(BOUND)
    if not text:
        return None
    try:
        gib = float(text)
    except ValueError:
        gib = 0.0
    if not gib > 0:
        raise ConfigError(f"{BOUND} ({text!r}) must be a number of GiB above 0, such as 200")
    return gib * _GIB


def _outputs() -> Iterator[_Output]:
    for pattern in _OUTPUTS:
        for path in matching(all_lines(), f"*/*/{pattern}"):
            with suppress(FileNotFoundError):  # another process removes it
                of_bucket = in_bucket(unquote(_folder(path)))
                if of_bucket and path.is_dir() and (output := _output(path)) is not None:
                    yield output


def _output(path: Path) -> _Output | None:
    """None where only what people see of it is there."""
    files = tuple(file for file in path.rglob("*") if file.is_file() and file.suffix != ".json")
    found = [file.stat() for file in files]
    if not found:
        return None
    # Not the directory's own time of reading, which this very look moves.
    used = max(path.stat().st_mtime, *(max(one.st_atime, one.st_mtime) for one in found))
    return _Output(used, sum(one.st_size for one in found), path, files)
