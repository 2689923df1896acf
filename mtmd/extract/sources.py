"""The user's files of one day: whether they are what the contract says; and the day's ads alone, encoded."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.blame import blaming, changed_columns
from mtmd.extract.database import batches, create_table, reading
from mtmd.logs.contract import SERVED_BY, arrow_ids, has_number_sql, id_types, optional_columns, table_columns
from mtmd.logs.digests import SourceFiles, identities
from mtmd.logs.encoding import EncodedAds, encode
from mtmd.logs.reading import create_checked_view
from mtmd.logs.source import LogSource
from mtmd.logs.sql import statement

MAX_ROWS = 2**31 - 1  # row links are int32
_SOUND = {
    "requests": "a request_id of their own, a ts and a declared surface",
    "ads": "an ad_id of their own and a declared product",
    "candidates": "a request and an ad of the day, in a pair of their own, and a known impressed",
}


def load_sources(
    connection: duckdb.DuckDBPyConnection,
    source: LogSource,
    files: SourceFiles,
    day: date,
    declarations: Declarations,
    *,
    ignore_undeclared: bool = False,
    without_scores: bool = False,
    with_models: bool = False,
) -> None:
    """Make a view `source_<table>` of each given table, after comparing every file's columns with the contract.

    `ignore_undeclared` lets columns pass that the declarations do not know; `without_scores` lets candidates lack the
    teacher's scores, which are null then; `with_models` reads their `served_by` too. Of the rows nothing is read.
    Raises LogsError naming table, day, file and column: unreadable file, column missing, extra or of another
    type; ConfigError for declarations that no table can be of.
    """
    optional = optional_columns(declarations.domains)
    scores = frozenset(declarations.domains.task_names) if without_scores else frozenset()
    declared = table_columns(declarations)
    if with_models:
        declared["candidates"][SERVED_BY] = "VARCHAR"
    for table, paths in files.items():
        with blaming(connection, source, {table: paths}, day):
            try:
                create_checked_view(
                    connection,
                    f"source_{table}",
                    source,
                    table,
                    paths,
                    day,
                    declared[table],
                    optional=optional | scores if table == "candidates" else frozenset(),
                    ignore_undeclared=ignore_undeclared,
                )
            except LogsError as error:
                changes = changed_columns(connection, source, table, {table: paths}, day)
                raise LogsError(f"{table} of {day}: {changes}{error}") from error


def make_keys(
    connection: duckdb.DuckDBPyConnection,
    day: date,
    declarations: Declarations,
    tables: Sequence[str] = ("requests", "ads"),
) -> dict[str, int]:
    """Make the key tables of requests and ads; the rows of each.

    Raises DuckDB's error where reading fails, and LogsError as `check_keys` does.
    """
    domains = declarations.domains
    names = {"requests": {"surfaces": domains.surfaces}, "ads": {"products": domains.products}}
    for table in tables:
        parameters = {name: list(values) for name, values in names[table].items()}
        create_table(connection, f"stg_{table[:-1]}_keys", parameters)
    return {table: check_keys(connection, day, table) for table in tables}


def check_keys(connection: duckdb.DuckDBPyConnection, day: date, table: str) -> int:
    """The rows of a table; the key tables are there.

    Raises LogsError where there is none, or where keys are null, repeated, unknown or without their counterpart.
    """
    ((rows, sound),) = connection.execute(statement(f"rpt_{table[:-1]}_key_counts")).fetchall()
    if not 1 <= rows <= MAX_ROWS or rows != sound:
        raise LogsError(
            f"{table} of {day}: {sound} of {rows} rows have {_SOUND[table]}; all must, and there must be between 1 and "
            f"{MAX_ROWS}: correct the day's files and run again (`mtmd check` shows which rows do not)"
        )
    return int(rows)


def source_rows(
    source: LogSource, table: str, day: date, declarations: Declarations, key: str, keys: Sequence[int]
) -> list[dict[str, Any]]:
    """Raw rows of one table and day whose `key`, an id, has a number among `keys`, as declared: columns and types."""
    files = {table: source.day_files(table, day)}
    with reading(source.readable(files)) as connection:
        load_sources(connection, source, files, day, declarations, ignore_undeclared=True)
        if id_types(table, declarations.ids)[key] == "BIGINT":
            wanted = duckdb.ColumnExpression(key).isin(*map(duckdb.ConstantExpression, keys))
        else:
            wanted = duckdb.SQLExpression(has_number_sql(key, keys))
        with blaming(connection, source, files, day):
            rows = connection.view(f"source_{table}").filter(wanted)
            return list(rows.to_arrow_table().to_pylist())


def ads_digests(source: LogSource, day: date, cache: Path) -> dict[str, str]:
    """sha256 of each file of a day's snapshot of ads, as the manifest of the day's shard has them under `ads`.

    `cache` is a directory of remembered digests: that of the shards. Raises LogsError where there are no files.
    A remote table is fetched as it is by now, a bucket listed.
    """
    source.refresh(day, ["ads"])
    return source.digests(day, ["ads"], cache=cache / f"date={day.isoformat()}.json")["ads"]


def read_ads(source: LogSource, day: date, declarations: Declarations) -> Iterator[EncodedAds]:
    """A day's snapshot of ads, product by product, in the order of its shard; holds some 32,768 ads in memory.

    The `ads` table alone is read: a snapshot delivered at the start of a day need not wait for the day's requests.
    Columns that the declarations do not know are ignored: the logs may have grown since. Raises LogsError naming day
    and file or column for a snapshot that is not as the contract says, or that changed while it was read.
    """
    schema = declarations.item
    columns = list(dict.fromkeys(("ad_id", "bid", *schema.columns)))
    for product, raw in _rows(source, day, declarations, columns):
        encoded = encode(pa.Table.from_struct_array(raw), schema, declarations.hash_seed)
        ad_id, bid = arrow_ids(raw.field("ad_id")), pc.fill_null(raw.field("bid"), float("nan")).to_numpy()
        for index in np.unique(product):
            rows = slice(*np.searchsorted(product, [index, index + 1]))
            yield EncodedAds(schema.domains[index], ad_id[rows], encoded.take(rows), bid[rows])


def _rows(
    source: LogSource, day: date, declarations: Declarations, columns: Sequence[str]
) -> Iterator[tuple[NDArray[np.int8], pa.StructArray]]:
    """Batches of a day's ads in the order of its shard: the index of each one's product, and its columns."""
    paths = source.day_files("ads", day)
    before = identities({"ads": paths})
    with reading(source.readable({"ads": paths})) as connection:
        load_sources(connection, source, {"ads": paths}, day, declarations, ignore_undeclared=True)
        with blaming(connection, source, {"ads": paths}, day):
            make_keys(connection, day, declarations, ["ads"])
            relation = connection.sql(statement("shard_ads"), params={"columns": list(columns)})
            for batch in batches(relation.order("ad_row")):
                yield batch.column("product_index").to_numpy(), batch.column("source_row")
    if identities({"ads": paths}) != before:
        raise LogsError(f"ads of {day} changed while they were read; run again when they are complete")
