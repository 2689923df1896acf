"""The three ways in which the soak's logs go wrong."""

import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mtmd.logs.contract import TABLES
from mtmd.logs.files import day_directory, day_files
from mtmd.store.files import remove


def deliver_twice(logs: Path, day: date) -> None:
    """A part of the candidates arrives a second time under another name: every key of it is there twice."""
    part = day_files(logs, "candidates", day)[0]
    shutil.copy(part, part.with_name("part-again.parquet"))


def log_bids_in_cents(logs: Path, day: date) -> None:
    """The ads of the day carry a hundred times their bids."""
    for path in day_files(logs, "ads", day):
        table = pq.read_table(path)
        place = table.schema.get_field_index("bid")
        bids = pc.multiply(table["bid"], pa.scalar(100.0, table["bid"].type))
        pq.write_table(table.set_column(place, "bid", bids), path)


def take_back(logs: Path, day: date) -> None:
    """The day's files are gone, so that the platform delivers it anew."""
    for table in TABLES:
        remove(day_directory(logs, table, day))
