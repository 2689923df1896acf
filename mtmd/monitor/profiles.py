"""How a day's features are distributed, in counts that add up over days, and how far a day lies from others.

A day is read once: its counts are kept, named by the day's files, so that watching costs one day a day however long
the reference is.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.blame import blaming
from mtmd.extract.database import reading, session
from mtmd.extract.sources import load_sources
from mtmd.logs.digests import SourceFiles
from mtmd.logs.source import LogSource
from mtmd.logs.sql import bare_sql, duckdb_paths, statement
from mtmd.monitor.health import FeatureShift
from mtmd.store.files import digest
from mtmd.store.workspace import make_once

PROFILE_FORMAT = 1  # raise it whenever the same logs would give other counts
_FILE = "counts.parquet"

_SCHEMA = pa.schema(
    {
        "day": pa.date32(),
        "side": pa.string(),
        "feature": pa.string(),
        "kind": pa.string(),
        "domain": pa.string(),
        "bin": pa.int32(),
        "bin_rows": pa.int64(),
    }
)


def profile_features(source: LogSource, day: date, declarations: Declarations, root: Path) -> Path:
    """The day's counts of every declared feature by domain and bin, a Parquet file below `root`; made once.

    One that was altered is made again, with a warning.
    Raises LogsError naming the table and day when its files are missing, unreadable or lack a declared column.
    """
    tables = ("requests", "ads")
    cache = root / "digests" / f"date={day.isoformat()}.json"
    sources = source.digests(day, tables, cache=cache)
    read = source.bare_statements()
    counted = [count for feature in declarations.features for count in feature.counts()]
    statements = {name: read[name] for name in ("source_requests", "source_ads")} | {
        count.statement: bare_sql(statement(count.statement)) for count in counted
    }
    features = [feature.model_dump(mode="json") for feature in declarations.features]
    domains = [declarations.query.domains, declarations.item.domains]
    key = digest([PROFILE_FORMAT, sources, statements, counted, features, domains])
    final = root / f"date={day.isoformat()}" / key[:16]

    def write(directory: Path) -> None:
        files = {table: source.day_files(table, day) for table in tables}
        with session(directory / "spill", source.readable(files)) as connection:
            rows = _counts(connection, source, files, day, declarations)
        if source.digests(day, tables, cache=cache) != sources:
            raise LogsError(
                f"logs of {day} changed while they were profiled; run again when they are complete"
            )
        columns = [list(column) for column in zip(*rows, strict=True)]
        pq.write_table(pa.table(columns, schema=_SCHEMA), directory / _FILE)

    make_once(final, write)
    return final / _FILE


def feature_shifts(profiles: Mapping[date, Path], day: date) -> list[FeatureShift]:
    """PSI of every day's features against the days other than `day` together; `day` is one of them.

    A reference day is part of the reference, which makes its own PSI a little smaller than a new day's.
    """
    paths = duckdb_paths(profiles.values())
    with reading([path.parent for path in profiles.values()]) as connection:
        rows = connection.execute(statement("rpt_feature_psi"), {"paths": paths, "day": day}).fetchall()
    names = ("day", "side", "feature", "domain", "rows", "psi")
    return [FeatureShift.model_validate(dict(zip(names, row, strict=True))) for row in rows]


def _counts(
    connection: duckdb.DuckDBPyConnection,
    source: LogSource,
    files: SourceFiles,
    day: date,
    declarations: Declarations,
) -> list[tuple[object, ...]]:
    """Rows of the profile: of each feature's counts the rows of every bin and domain that has the feature."""
    rows: list[tuple[object, ...]] = []
    for table, domain, schema in (
        ("requests", "surface", declarations.query),
        ("ads", "product", declarations.item),
    ):
        own = {table: files[table]}
        load_sources(connection, source, own, day, declarations, ignore_undeclared=True)
        with blaming(connection, source, own, day):
            connection.execute(f"create table {table} as from source_{table}")
            for feature, counted in ((one, counted) for one in schema.fields for counted in one.counts()):
                values = f"select {domain} as domain, {counted.value} as value from {table}"
                connection.execute(f"create or replace view feature_values as {values}")
                present = schema.domains if feature.domains is None else feature.domains
                found = connection.execute(statement(counted.statement)).fetchall()
                name = (day, schema.side, counted.name, counted.compared_as)
                rows += [(*name, *row) for row in found if row[0] in present]
    return rows
