"""A day of logs that is wrong, after the day was run: it may be validated once more before anything is made of it.

The newest day is struck, which the model is evaluated on. So the run has everything else already.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from tests.faults.line import Fault, Line
from tests.flows.runs import NEXT

GROUP = "source data"
TABLES = ("requests", "candidates", "ads")
Change = Callable[[pa.Table], pa.Table]


def _file(line: Line, table: str, days_before: int = 0) -> Path:
    (path,) = (line.logs / table / f"date={NEXT - timedelta(days_before)}").glob("*.parquet")
    return path


def _rewritten(change: Change, path: Path) -> None:
    table = change(parquet.read_table(path))
    path.unlink()
    parquet.write_table(table, path)


def _spoil_the_beginning(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(2000) + path.read_bytes()[2000:])


# What may be wrong with the file of any table, and how the run says so.
_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "does not exist"),
    "empty file": (lambda path: path.write_bytes(b""), "can.t be read"),
    "cut in half": (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), r"part-0\.parquet"),
    "its first half garbage": (_spoil_the_beginning, r"part-0\.parquet"),
    "text instead of Parquet": (lambda path: path.write_text("ad_id,bid\n1,2\n"), r"part-0\.parquet"),
    "a directory": (lambda path: (path.unlink(), path.mkdir()), r"part-0\.parquet"),
    "a link to nothing": (lambda path: (path.unlink(), path.symlink_to("nowhere.parquet")), r"part-0\.parquet"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), r"part-0\.parquet"),
    "no rows": (partial(_rewritten, lambda table: table.slice(0, 0)), "row|empty|lack"),
    "one row": (partial(_rewritten, lambda table: table.slice(0, 1)), "expectation|row"),
    "every row twice": (partial(_rewritten, lambda table: pa.concat_tables([table, table])), "unique|more than once"),
    "a tenth of its rows": (partial(_rewritten, lambda table: table.slice(0, table.num_rows // 10)), "expectation"),
}  # fmt: skip

# Of columns one of each way that a value, a key, a type or a name can be wrong: tests/validate has the others.
_QUICK = ("requests: missing",)


def faults() -> Iterator[Fault]:
    """Each table's files in each way, and days that are another day's. tests/validate has the columns."""
    for table in TABLES:
        for way, (damage, words) in _FILES.items():
            yield _fault(f"{table}: {way}", partial(_strike, table, damage), words)
    yield _fault("all tables: yesterday's once more", _copy_of_yesterday, "copy|same|yesterday|ts")


def _fault(name: str, strike: Callable[[Line], object], words: str) -> Fault:
    return Fault(GROUP, name, "refused", strike, words=words, quick=name in _QUICK)


def _strike(table: str, damage: Callable[[Path], object], line: Line) -> None:
    line.strike(_file(line, table), damage)


def _copy_of_yesterday(line: Line) -> None:
    for table in TABLES:
        yesterday = _file(line, table, 1)
        line.strike(_file(line, table), partial(_become, yesterday))


def _become(other: Path, path: Path) -> None:
    path.unlink()
    shutil.copy(other, path)
