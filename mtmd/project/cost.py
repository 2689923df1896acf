"""What a run will read and write, as far as rows and files say it: training time depends on the machine."""

from collections.abc import Iterator, Sequence
from datetime import date
from math import log2

from mtmd.config import Preset, SideSchema
from mtmd.expectations.candidates import SUMMARY
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource
from mtmd.project.days import window_files
from mtmd.project.engine import Connection, rows
from mtmd.project.findings import Finding, Part, fact

_REQUEST, _AD = 8 + 8 + 1 + 4 + 4, 8 + 1  # bytes of keys and links; mtmd/extract/shards.py lists the columns
_CANDIDATE, _TASK = 4 + 4 + 1 + 4, 4 + 1
_LIST = 8 + 4  # where a row's values are, and how many


def check_cost(
    connection: Connection, preset: Preset, source: LogSource, days: Sequence[date], seconds: float
) -> Iterator[Finding]:
    """Facts about the window and the held-out day, `days`, as if all were as large as the staged one.

    `seconds` is how long reading that day took here.
    """
    (row,) = rows(
        connection,
        f"select (select count(*) from requests) as requests, (select count(*) from ads) as ads, "
        f"(select sum(candidates) from {SUMMARY}) as candidates",
    )
    counts = {table: int(row[table]) for table in ("requests", "ads", "candidates")}
    listed = ", ".join(f"{n * len(days):,} {table}" for table, n in counts.items())
    yield fact(Part.COST, "rows", f"{len(days)} days: about {listed}")
    yield fact(Part.COST, "files", f"{_files(source, days)}; read in about {seconds * len(days):.0f} s")
    shards = day_bytes(preset, **counts) * len(days)
    yield fact(Part.COST, "shards", f"about {bytes_in_words(shards)} in artifacts/{preset.name}/shards")


def _files(source: LogSource, days: Sequence[date]) -> str:
    """How many files, and how large. Of tables that are no files nothing is known before they are fetched."""
    remote = [table for table in TABLES if source.is_remote(table)]
    fetched = " and ".join(filter(None, (", ".join(remote[:-1]), *remote[-1:])))
    if len(remote) == len(TABLES):
        return f"those of {fetched} are fetched"
    files = window_files(source, days)
    counted = f"{len(files):,} files, {bytes_in_words(sum(path.stat().st_size for path in files))}"
    return f"{counted} beside those of {fetched}, which are fetched" if remote else counted


def day_bytes(preset: Preset, *, requests: int, ads: int, candidates: int) -> int:
    """Bytes of one day's shard."""
    sides = preset.declarations.query, preset.declarations.item
    query, item = (_row_bytes(side) for side in sides)
    pair = _CANDIDATE + _TASK * len(preset.domains.tasks)
    return requests * (_REQUEST + query) + ads * (_AD + item) + candidates * pair


def _row_bytes(side: SideSchema) -> int:
    """Every number, hashed category and component of a vector has four bytes; a list at most those of its values."""
    lists = sum(_LIST + 4 * (f.max_length or 0) * (1 + len(f.companions)) for f in side.lists)
    return 4 * (len(side.continuous) + len(side.categorical) + side.vector_width) + lists


def bytes_in_words(size: float) -> str:
    """A number of bytes in its largest unit."""
    if size < 1024:
        return f"{size:.0f} bytes"
    power = min(int(log2(size) // 10), 4)
    return f"{size / 1024**power:.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"
