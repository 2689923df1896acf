"""The user's files of one day: whether they are what the contract says."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.database import create_table, create_view, describe, session
from mtmd.logs.contract import TABLES, table_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.files import day_files, duckdb_paths
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
) -> None:
    """Make a view of each given source table, after comparing every file's columns with the contract.

    `ignore_undeclared` lets columns pass that the declarations do not know. Of the rows nothing is read.
    Raises LogsError naming table, day, file and column: unreadable file, column missing, extra or of another
    type; ConfigError for declarations that no table can be of.
    """
    for table, paths in files.items():
        declared = table_columns(declarations)[table]
        for path in paths:
            columns = _columns(connection, source, table, day, path)
            _check_columns(f"{table} of {day}: {path}", columns, declared, ignore_undeclared)
        create_view(connection, f"source_{table}", source.statement(table), {"paths": duckdb_paths(paths)})


def make_keys(connection: duckdb.DuckDBPyConnection, day: date, declarations: Declarations) -> dict[str, int]:
    """Make the key tables of requests and ads; the rows of each table of the day's shard.

    Raises LogsError for a table without rows, and as `check_keys` does for keys of requests and ads.
    """
    try:
        create_table(connection, "stg_request_keys", {"surfaces": list(declarations.domains.surfaces)})
        create_table(connection, "stg_ad_keys", {"products": list(declarations.domains.products)})
    except duckdb.Error as error:
        raise LogsError(
            f"logs of {day}: reading the keys failed ({error}); write the day's files again"
        ) from error
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
    source: LogSource, table: str, day: date, key: str, keys: Sequence[int]
) -> list[dict[str, Any]]:
    """Raw rows of one table and day whose `key` is among `keys`, as the source's statement gives them."""
    paths = duckdb_paths(day_files(source.root, table, day))
    with TemporaryDirectory() as directory, session(Path(directory) / "spill") as connection:
        create_view(connection, f"source_{table}", source.statement(table), {"paths": paths})
        wanted = duckdb.ColumnExpression(key).isin(*map(duckdb.ConstantExpression, keys))
        rows = connection.view(f"source_{table}").filter(wanted)
        return list(rows.to_arrow_table().to_pylist())


def _columns(
    connection: duckdb.DuckDBPyConnection, source: LogSource, table: str, day: date, path: Path
) -> dict[str, str]:
    try:
        return describe(connection, source.statement(table), {"paths": duckdb_paths([path])})
    except duckdb.Error as error:
        raise LogsError(
            f"{table} of {day}: {path} is not readable Parquet ({error}); write the file again"
        ) from error


def _check_columns(
    file: str, columns: dict[str, str], declared: dict[str, str], ignore_undeclared: bool
) -> None:
    """Compare one file's columns exactly: DuckDB would fill, cast and drop silently (names, case, types)."""
    problems = [f"lacks {name} {kind}" for name, kind in declared.items() if name not in columns]
    if not ignore_undeclared:
        problems += [f"has undeclared {name} {columns[name]}" for name in columns if name not in declared]
    problems += [
        f"has {name} {columns[name]} where {kind} is declared"
        for name, kind in declared.items()
        if columns.get(name, kind) != kind
    ]
    if problems:
        raise LogsError(
            f"{file} {'; '.join(problems)}. Its columns must be exactly as declared: "
            "correct the file, or the preset's features"
        )
