"""What the index of a line costs: its first reading, a second one, and writing its pages, with so many runs.

    python -m benchmarks.index_pages artifacts/demo --runs 400

The line is made in a temporary folder from one run of a real one: its records are written once for each day, so they
are as large as real ones. The first reading knows no file; the second one has what the first kept. Times are the
processor's, so that other load on the machine changes them little.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from mtmd.report.index.reading import read_line
from mtmd.report.index.stage import write_line
from mtmd.store.files import read_json, write_json

_FIRST = date(2025, 1, 1)
_RECORDS = ("summary.json", "origin.json", "validation.json")  # of a run
_NEWER_S = 60  # a decision is so much later than the validation of its day


@dataclass(frozen=True)
class Costs:
    """Processor seconds, and what was read and written."""

    runs: int
    first: float
    second: float
    write: float
    validations: float
    read_mb: float
    page_mb: float

    @property
    def table(self) -> str:
        rows = (
            ("first reading", f"{self.first:.2f} s", f"{1e3 * self.first / self.runs:.1f} ms a run"),
            ("second reading", f"{self.second:.2f} s", "nothing has changed"),
            ("writing the pages", f"{self.write:.2f} s", f"{self.page_mb:.2f} MB"),
            (
                "reading each validation",
                f"{self.validations:.2f} s",
                "where each is newer than its day's decision",
            ),
        )
        head = f"{self.runs} runs, {self.read_mb:.0f} MB of summaries and validations\n\n"
        lines = ["| what | processor time | beside |", "| :-- | --: | :-- |"]
        return head + "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.index_pages", description=__doc__)
    parser.add_argument("line", type=Path, help="a line with a run that decided, such as artifacts/demo")
    parser.add_argument("--runs", type=int, default=400)
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        root = Path(place) / options.line.name
        write_many(options.line, root, options.runs)
        text = measure(root, options.runs).table
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    return 0


def write_many(line: Path, root: Path, runs: int) -> None:
    """A line of so many days, each with the records of the latest run of `line`."""
    run = max(line.glob("runs/*/summary.json"), key=lambda path: path.stat().st_mtime).parent
    records = {name: read_json(run / name) for name in _RECORDS}
    first = root / "validation" / f"as_of={_FIRST}.json"
    write_json(first, records["validation.json"], seal=True)
    for number in range(runs):
        day = _FIRST + timedelta(days=number)
        model = f"{day:%Y%m%d}-{number:010x}"
        place = root / "runs" / f"{day}-{number:010x}-abcdef"
        dated: dict[str, Any] = records["summary.json"] | {"as_of": str(day), "model_id": model}
        latest = root / "validation" / f"as_of={day}.json"
        write_json(place / "summary.json", dated, seal=True)
        write_json(place / "origin.json", records["origin.json"], seal=True)
        if latest != first:
            shutil.copyfile(first, latest)
        _age(latest, _NEWER_S)


def measure(root: Path, runs: int) -> Costs:
    """Read it for the first time and again, write its pages, and read it where no decision is newer."""
    first = _cost(read_line, root)
    write = _cost(write_line, root)  # it reads everything, too: nothing was kept yet
    second = _cost(read_line, root)
    read = [*root.glob("runs/*/summary.json"), *root.glob("validation/*.json")]
    pages = sum(path.stat().st_size for path in root.glob("*.html"))
    (root / "index.json").unlink()
    for path in root.glob("validation/*.json"):
        _age(path, -2 * _NEWER_S)
    return Costs(
        runs=runs,
        first=first,
        second=second,
        write=write - first,
        validations=_cost(read_line, root) - first,
        read_mb=sum(path.stat().st_size for path in read) / 1e6,
        page_mb=pages / 1e6,
    )


def _cost(run: Callable[[Path], object], root: Path) -> float:
    start = time.process_time()
    run(root)
    return time.process_time() - start


def _age(path: Path, seconds: float) -> None:
    at = path.stat().st_mtime - seconds
    os.utime(path, (at, at))


if __name__ == "__main__":
    sys.exit(main())
