"""The user's files of one day: whether they are what the contract says."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.blame import blaming
from mtmd.extract.database import create_table, reading
from mtmd.logs.contract import TABLES, id_types, optional_columns, table_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.ids import has_number_sql
from mtmd.logs.reading import create_checked_view
from mtmd.logs.source import LogSource
from mtmd.logs.sql import statement

_MAX_ROWS = 2**31 - 1  # row links are int32


def load_sources(
    connection: duckdb.DuckDBPyConnection,
    source: LogSource,
    files: SourceFiles,
    day: date,
    declarations: Declarations,
    *,
    ignore_undeclared: bool = False,
    without_scores: bool = False,
    only: Sequence[str] | None = None,
) -> None:
    """Make a view of each given source table, after comparing every file's columns with the contract.

    `ignore_undeclared` lets columns pass that the declarations do not know; `without_scores` lets candidates lack the
    teacher's scores, which are null then; with `only`, the views have these columns, whatever others there are. Of the
    rows nothing is read.
    Raises LogsError naming table, day, file and column: unreadable file, column missing, extra or of another
    type; ConfigError for declarations that no table can be of.
    """
    optional = optional_columns(declarations.domains)
    scores = frozenset(declarations.domains.task_names) if without_scores else frozenset()
    for table, paths in files.items():
        declared = table_columns(declarations)[table]
        if only is not None:
            declared = {column: declared[column] for column in only}
        with blaming(connection, source, {table: paths}, day):
            try:
                create_checked_view(
                    connection,
                    f"source_{table}",
                    source,
                    table,
                    paths,
                    day,
                    declared,
                    optional=optional | scores if table == "candidates" else optional,
                    ignore_undeclared=ignore_undeclared or only is not None,
                )
            except LogsError as error:
                raise LogsError(f"{table} of {day}: {error}") from error


def make_keys(connection: duckdb.DuckDBPyConnection, day: date, declarations: Declarations) -> dict[str, int]:
    """Make the key tables of requests and ads; the rows of each table of the day's shard.

    Raises DuckDB's error where reading fails, LogsError for a table without rows, and as `check_keys` does for keys of
    requests and ads.
    """
    create_table(connection, "stg_request_keys", {"surfaces": list(declarations.domains.surfaces)})
    create_table(connection, "stg_ad_keys", {"products": list(declarations.domains.products)})
    (counts,) = connection.execute(statement("rpt_key_counts")).fetchall()
    requests, request_keys, sound_requests, ads, ad_keys, sound_ads, candidates = counts
    for table, rows in zip(TABLES, (requests, ads, candidates), strict=True):
        if not 1 <= rows <= _MAX_ROWS:
            raise LogsError(
                f"{table} of {day}: the day's files have {rows} rows; a day needs between 1 and {_MAX_ROWS}. "
                "Write them again"
            )
    if (requests, ads) != (sound_requests, sound_ads):
        check_keys(connection, day, declarations)
        # No problem is left, so edited statements leave rows out of the key tables.
        candidates = connection.sql(statement("shard_candidates"), params={"columns": ["impressed"]}).shape[0]
    return {"requests": request_keys, "ads": ad_keys, "candidates": candidates}


def check_keys(connection: duckdb.DuckDBPyConnection, day: date, declarations: Declarations) -> None:
    """Raise LogsError for keys that are null, repeated, unknown or without their counterpart, with a few of them."""
    domains = declarations.domains
    names = {"surfaces": list(domains.surfaces), "products": list(domains.products)}
    problems = connection.execute(statement("rpt_key_problems"), names).fetchall()
    if problems:
        listed = "; ".join(f"{table}: {rows} × {what}, e.g. {keys}" for table, what, rows, keys in problems)
        raise LogsError(
            f"logs of {day}: {listed}. Declared surfaces: {names['surfaces']}, products: "
            f"{names['products']}; correct the day's files and run again"
        )


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
        with blaming(connection, source, files, day, table_columns(declarations)):
            rows = connection.view(f"source_{table}").filter(wanted)
            return list(rows.to_arrow_table().to_pylist())
