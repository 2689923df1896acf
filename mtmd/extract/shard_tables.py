"""The tables of a shard: DuckDB's batches of a day, encoded, put where they belong in the shard's mapped files.

A source file's rows are read once, and its keys once more for the key tables. Nothing of the size of a day is held:
what must be in order DuckDB sorts, and spills beyond its limit; the rest is scattered to the rows that its keys have.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import DTypeLike, NDArray

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.database import batches
from mtmd.extract.shards import LENGTH, START, FileRecord, ListFiles, list_file
from mtmd.extract.sources import MAX_ROWS, check_keys, make_keys
from mtmd.logs.contract import TABLES, id_numbers
from mtmd.logs.encoding import encode
from mtmd.logs.sql import statement
from mtmd.store.columns import Columns, create_columns
from mtmd.store.files import sha256_file

_Shapes = dict[str, tuple[DTypeLike, tuple[int, ...]]]


def write_tables(
    connection: duckdb.DuckDBPyConnection, directory: Path, day: date, declarations: Declarations
) -> tuple[dict[str, int], dict[str, FileRecord]]:
    """Write the Arrow files of the session's sources; the rows of each table, and a record of each file.

    Raises LogsError for keys or features that are not as declared, and DuckDB's error where reading fails.
    """
    rows = make_keys(connection, day, declarations)
    ((rows["candidates"],),) = connection.execute("select count(*) from source_candidates").fetchall()
    if not 1 <= rows["candidates"] <= MAX_ROWS:
        check_keys(connection, day, "candidates")
    try:
        # Side by side: while DuckDB sorts the candidates, the features are encoded.
        with ThreadPoolExecutor(len(TABLES)) as pool:
            writers = {"requests": _side, "ads": _side, "candidates": _candidates}
            written = {
                table: pool.submit(
                    write,
                    _Rows(connection.cursor(), table, rows[table], declarations),
                    directory / f"{table}.arrow",
                )
                for table, write in writers.items()
            }
            columns = {table: future.result() for table, future in written.items()}
    except LogsError as error:
        check_keys(connection, day, "candidates")  # where they are the reason, they say more
        raise LogsError(f"logs of {day}: {error}") from error
    starts = np.searchsorted(
        columns["candidates"]["request_row"], np.arange(rows["requests"] + 1, dtype=np.int32)
    )
    columns["requests"]["candidate_start"][:] = starts[:-1]
    columns["requests"]["candidate_count"][:] = np.diff(starts)
    with ThreadPoolExecutor(len(TABLES)) as pool:
        paths = [directory / name for name in _files(declarations)]
        return rows, {path.name: record for path, record in zip(paths, pool.map(_record, paths), strict=True)}


def _files(declarations: Declarations) -> list[str]:
    sides = (("requests", declarations.query), ("ads", declarations.item))
    return [f"{table}.arrow" for table in TABLES] + [
        list_file(table, feature.name) for table, schema in sides for feature in schema.lists
    ]


@dataclass(frozen=True)
class _Rows:
    """The rows of one table, of which `count` are expected."""

    connection: duckdb.DuckDBPyConnection
    table: str
    count: int
    declarations: Declarations

    def each(self, names: Sequence[str]) -> Iterator[tuple[slice, pa.RecordBatch]]:
        """Batches of sql/shard_<table>.sql with these source columns, each with its place among the rows expected."""
        name, stop = f"shard_{self.table}", 0
        for batch in batches(self.connection.sql(statement(name), params={"columns": list(names)})):
            place = slice(stop, stop := stop + batch.num_rows)
            if stop <= self.count:
                yield place, batch
        if stop != self.count:
            raise LogsError(f"{name} has {stop} rows, its table {self.count}; write the day's files again")


def _candidates(rows: _Rows, path: Path) -> Columns:
    """Rows of `candidates`; the teacher of a task that learns from actions is what happened, where the ad was shown."""
    tasks = rows.declarations.domains.tasks
    columns = create_columns(
        path,
        {
            "request_row": (np.int32, (rows.count,)),
            "ad_row": (np.int32, (rows.count,)),
            "impressed": (np.int8, (rows.count,)),
            "position": (np.int32, (rows.count,)),
            "teacher": (np.float32, (rows.count, len(tasks))),
            "labels": (np.int8, (rows.count, len(tasks))),
        },
    )
    read = {name for task in tasks for name in (task.label, *(() if task.from_actions else (task.name,)))}
    for place, batch in rows.each(("impressed", "position", *sorted(read))):
        raw = batch.column("source_row")
        for name in ("request_row", "ad_row"):
            columns[name][place] = batch.column(name)
        _refuse_repeated(columns["request_row"], columns["ad_row"], place)
        if raw.field("impressed").null_count:
            raise LogsError("candidates have a null impressed; correct the day's files and run again")
        columns["impressed"][place] = raw.field("impressed").cast(pa.int8())
        columns["position"][place] = pc.fill_null(raw.field("position"), -1)
        for t, task in enumerate(tasks):
            columns["labels"][place, t] = pc.fill_null(raw.field(task.label).cast(pa.int8()), -1)
            if task.from_actions:
                label = columns["labels"][place, t]
                is_known = (columns["impressed"][place] == 1) & (label >= 0)
                columns["teacher"][place, t] = np.where(is_known, label, np.nan)
            else:
                columns["teacher"][place, t] = pc.fill_null(raw.field(task.name), float("nan"))
    return columns


def _side(rows: _Rows, path: Path) -> Columns:
    """The requests, without where the candidates of each are, or the ads."""
    declarations, of_requests = rows.declarations, rows.table == "requests"
    schema = declarations.query if of_requests else declarations.item
    key, domain = ("request_id", "surface") if of_requests else ("ad_id", "product")
    time = {"ts": ("datetime64[us]", (rows.count,))} if of_requests else {}
    links = ("candidate_start", "candidate_count") if of_requests else ()
    shapes: _Shapes = {
        key: (np.int64, (rows.count,)),
        **time,
        domain: (np.int8, (rows.count,)),
        **dict.fromkeys(links, (np.int32, (rows.count,))),
        "continuous": (np.float32, (rows.count, len(schema.continuous))),
        "categorical": (np.int32, (rows.count, len(schema.categorical))),
        "embedding": (np.float32, (rows.count, schema.vector_width)),
    }
    for feature in schema.lists:
        shapes[f"{feature.name}{START}"] = (np.int64, (rows.count,))
        shapes[f"{feature.name}{LENGTH}"] = (np.int32, (rows.count,))
    columns = create_columns(path, shapes)
    with ListFiles(path.parent, rows.table, schema) as files:
        for _, batch in rows.each((key, *time, *schema.columns)):
            place, raw = batch.column(f"{rows.table[:-1]}_row").to_numpy(), batch.column("source_row")
            columns[key][place] = id_numbers(raw.field(key))
            for name in time:
                columns[name][place] = raw.field(name).cast(pa.int64())
            columns[domain][place] = batch.column(f"{domain}_index")
            encoded = encode(pa.Table.from_struct_array(raw), schema, declarations.hash_seed)
            for name in ("continuous", "categorical", "embedding"):
                columns[name][place] = getattr(encoded, name)
            files.write(columns, place, encoded)
    return columns


def _refuse_repeated(request_row: NDArray[np.generic], ad_row: NDArray[np.generic], place: slice) -> None:
    """Raise LogsError where a row of `place` equals the one before it; both columns are in order."""
    seen = slice(max(place.start - 1, 0), place.stop)
    request, ad = request_row[seen], ad_row[seen]
    if np.any((request[1:] == request[:-1]) & (ad[1:] == ad[:-1])):
        raise LogsError("a (request_id, ad_id) occurs more than once; correct the day's files and run again")


def _record(path: Path) -> FileRecord:
    return FileRecord(bytes=path.stat().st_size, sha256=sha256_file(path))
