"""One day of logs → one shard (design §5).

DuckDB does sources, keys, joins, order and row links; the feature columns it returns are encoded by
`mtmd.encoding`, the same code that serving uses.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.columns import write_columns
from mtmd.config import Declarations, SideSchema
from mtmd.data.database import create_table, row_count, session, statement
from mtmd.data.shards import (
    MANIFEST,
    SHARD_FORMAT,
    FileRecord,
    ShardManifest,
    ShardRef,
    read_manifest,
    reference,
)
from mtmd.data.sources import identities, load_sources, source_digests, source_files
from mtmd.encoding import EncodedSide, encode_into
from mtmd.errors import LogsError, StorageError
from mtmd.storage import atomic_directory, digest, remove, sha256_file, write_json

_STATEMENTS = (
    "source_requests",
    "source_ads",
    "source_candidates",
    "stg_request_keys",
    "stg_ad_keys",
    "shard_requests",
    "shard_ads",
    "shard_candidates",
)
_ROWS = 100_000  # rows encoded at a time: bounds what is held besides the day's own matrices

Columns = dict[str, NDArray[np.generic]]


def extract_day(
    logs: str | Path,
    day: date,
    declarations: Declarations,
    shards_root: Path,
    *,
    ignore_undeclared: bool = False,
) -> ShardRef:
    """Extract one day, or take the shard that the same files, SQL and declarations gave before.

    `ignore_undeclared` reads logs that have grown columns since the declarations were made.
    A day whose files changed gets a new shard beside the old one, which stays. A damaged shard is made again.
    Raises LogsError naming table, day, file and column for logs that are not as the contract says.
    """
    files = source_files(logs, day)
    before = identities(files)
    sources = source_digests(files, shards_root / "digests" / f"date={day.isoformat()}.json")
    fingerprint = shard_fingerprint(sources, declarations)
    final = shards_root / f"date={day.isoformat()}" / fingerprint[:16]
    if final.exists():
        try:
            return reference(final, read_manifest(final), reused=True)
        except StorageError:  # damaged after it was written: a shard appears whole or not at all
            remove(final)
    with atomic_directory(final) as directory:
        with session(directory / "spill") as connection:
            load_sources(connection, files, day, declarations, ignore_undeclared=ignore_undeclared)
            rows = _write_tables(connection, directory, day, declarations)
        if identities(files) != before:
            raise LogsError(f"logs of {day} changed while they were read; run again when they are complete")
        manifest = _manifest(directory, day, fingerprint, rows, sources)
        write_json(directory / MANIFEST, manifest.model_dump(mode="json"))
    return reference(final, manifest, reused=False)


def shard_fingerprint(sources: dict[str, dict[str, str]], declarations: Declarations) -> str:
    """Digest of all that decides a shard's content: files, SQL, declarations, format."""
    return digest(
        {
            "format": SHARD_FORMAT,
            "sources": sources,
            "sql": {name: statement(name) for name in _STATEMENTS},
            # What depends on what is the model's affair: another tree reads the same shards.
            "declarations": declarations.model_dump(
                mode="json", exclude={"domains": {"constrained": True, "tasks": {"__all__": {"parent"}}}}
            ),
        }
    )


def _write_tables(
    connection: duckdb.DuckDBPyConnection, directory: Path, day: date, declarations: Declarations
) -> dict[str, int]:
    """Write the three Arrow files; returns the rows of each table."""
    create_table(connection, "stg_request_keys", {"surfaces": list(declarations.domains.surfaces)})
    create_table(connection, "stg_ad_keys", {"products": list(declarations.domains.products)})
    try:
        requests = _requests(connection, row_count(connection, "stg_request_keys"), declarations)
        ads = _ads(connection, row_count(connection, "stg_ad_keys"), declarations)
    except LogsError as error:  # the encoder names the feature; the day is known here
        raise LogsError(f"logs of {day}: {error}") from error
    candidates = _candidates(connection, int(requests["candidate_count"].sum()), declarations)
    tables = {"requests": requests, "ads": ads, "candidates": candidates}
    for table, columns in tables.items():
        write_columns(directory / f"{table}.arrow", columns)
    return {table: len(next(iter(columns.values()))) for table, columns in tables.items()}


def _requests(connection: duckdb.DuckDBPyConnection, rows: int, declarations: Declarations) -> Columns:
    counts = np.empty(rows, np.int32)
    columns: Columns = {
        "request_id": np.empty(rows, np.int64),
        "ts": np.empty(rows, "datetime64[us]"),
        "surface_index": np.empty(rows, np.int8),
        "candidate_count": counts,
    }
    matrices = _fill(connection, "shard_requests", columns, declarations.query, declarations.hash_seed)
    return {
        "request_id": columns["request_id"],
        "ts": columns["ts"],
        "surface": columns["surface_index"],
        "candidate_start": (counts.cumsum() - counts).astype(np.int32),
        "candidate_count": counts,
        **matrices,
    }


def _ads(connection: duckdb.DuckDBPyConnection, rows: int, declarations: Declarations) -> Columns:
    columns: Columns = {"ad_id": np.empty(rows, np.int64), "product_index": np.empty(rows, np.int8)}
    matrices = _fill(connection, "shard_ads", columns, declarations.item, declarations.hash_seed)
    return {"ad_id": columns["ad_id"], "product": columns["product_index"], **matrices}


def _candidates(connection: duckdb.DuckDBPyConnection, rows: int, declarations: Declarations) -> Columns:
    tasks = declarations.domains.tasks
    columns: Columns = {
        "request_row": np.empty(rows, np.int32),
        "ad_row": np.empty(rows, np.int32),
        "impressed": np.empty(rows, np.int8),
        "shown_position": np.empty(rows, np.int32),
    }
    teacher = np.empty((rows, len(tasks)), np.float32)
    labels = np.empty((rows, len(tasks)), np.int8)
    for start, batch in _read(connection, "shard_candidates", rows):
        place = _copy(columns, start, batch)
        raw = batch.column("source_row")
        for t, task in enumerate(tasks):
            teacher[place, t] = pc.fill_null(raw.field(task.name), float("nan"))
            labels[place, t] = pc.fill_null(raw.field(task.label).cast(pa.int8()), -1)
    columns["position"] = columns.pop("shown_position")
    return {**columns, "teacher": teacher, "labels": labels}


def _fill(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Columns, schema: SideSchema, hash_seed: int
) -> Columns:
    """Fill `columns` from sql/<name>.sql in place; returns the matrices of the features beside them."""
    rows = len(next(iter(columns.values())))
    encoded = EncodedSide.empty(rows, schema)
    for start, batch in _read(connection, name, rows):
        _copy(columns, start, batch)
        raw = pa.Table.from_struct_array(batch.column("source_row"))
        encode_into(encoded, start, raw, schema, hash_seed)
    return {
        "continuous": encoded.continuous,
        "categorical": encoded.categorical,
        "embedding": encoded.embedding,
    }


def _read(
    connection: duckdb.DuckDBPyConnection, name: str, rows: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of sql/<name>.sql, each with the number of rows before it; they have `rows` rows in all."""
    start = 0
    for batch in connection.sql(statement(name)).to_arrow_reader(_ROWS):
        yield start, batch
        start += batch.num_rows
    assert start == rows, f"sql/{name}.sql gave {start} rows where its keys promise {rows}"


def _copy(columns: Columns, start: int, batch: pa.RecordBatch) -> slice:
    place = slice(start, start + batch.num_rows)
    for name, values in columns.items():
        values[place] = batch.column(name).to_numpy(zero_copy_only=False)
    return place


def _manifest(
    directory: Path, day: date, fingerprint: str, rows: dict[str, int], sources: dict[str, dict[str, str]]
) -> ShardManifest:
    files = {
        path.name: FileRecord(bytes=path.stat().st_size, sha256=sha256_file(path))
        for path in sorted(directory.glob("*.arrow"))
    }
    return ShardManifest(
        format=SHARD_FORMAT,
        day=day,
        fingerprint=fingerprint,
        files=files,
        sources=sources,
        versions={"duckdb": duckdb.__version__, "pyarrow": pa.__version__},
        **rows,
    )
