"""One day of logs, and what it is compared with, as tables of an in-memory database: what the suites query.

Each file is read once. Features are staged as their kinds say (`mtmd/features`), vectors and lists reduced; every row
has a hash for the table's digest.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from mtmd.config import Declarations, Preset
from mtmd.expectations.common import name
from mtmd.extract.blame import blaming
from mtmd.extract.database import Database
from mtmd.extract.sources import load_sources
from mtmd.logs.contract import table_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.source import LogSource
from mtmd.validate.deviations import deviations
from mtmd.validate.results import DayProfile

_DEVIATIONS = (
    "measure varchar, side varchar, domain varchar, subject varchar, observed double, usual double, lowest double, "
    "highest double, share double, stops boolean"
)


def stage_day(
    database: Database, source: LogSource, files: SourceFiles, day: date, declarations: Declarations
) -> None:
    """Make the tables `requests`, `ads`, `candidates` and `this_day` of the views `source_<table>`, which are there.

    Raises LogsError when a view can't be read.
    """
    columns = table_columns(declarations)
    with blaming(database.connection, source, files, day, columns):
        for table, side in (("requests", declarations.query), ("ads", declarations.item)):
            staged = [feature.staged_columns() for feature in side.fields]
            read = {column for feature in side.fields for column in feature.columns}
            kept = ", ".join([*(name(column) for column in columns[table] if column not in read), *staged])
            # Of requests the vectors, most of their bytes, add nothing: no other day has the same ids and times.
            vectors = {feature.name for feature in side.embedding if table == "requests"}
            content = [column for column in columns[table] if column not in vectors]
            database.rows(f"create table {table} as select {kept}, {_row_hash(content)} from source_{table}")
        # Not of the outcomes, which a later delivery of the same day may have more of: it is a copy all the same.
        content = ["request_id", "ad_id", *declarations.domains.task_names]
        # Keys are made distinct first: a repeated one must not multiply the candidates that all counts are of.
        database.rows(f"""
            create table candidates as
            select
                c.*,
                r.surface,
                a.product,
                r.request_id is not null as request_known,
                a.ad_id is not null as ad_known
            from (select *, {_row_hash(content)} from source_candidates) as c
            left join (select request_id, min(surface) as surface from requests group by request_id) as r
                on c.request_id = r.request_id
            left join (select ad_id, min(product) as product from ads group by ad_id) as a
                on c.ad_id = a.ad_id
        """)
    database.rows("create table this_day as select $day as day", {"day": day})


def _row_hash(columns: Iterable[str]) -> str:
    return f'hash({", ".join(map(name, sorted(columns)))}) as "row.hash"'


def stage_earlier_days(
    database: Database, profile: DayProfile, earlier: Sequence[DayProfile], preset: Preset
) -> None:
    """Make the tables `deviations`, what is outside its interval, and `copies`, the days of the same content."""
    found = deviations(profile, earlier, preset.declarations, preset.data)
    _create(database, "deviations", _DEVIATIONS, found)
    copies = [
        (table, then.day)
        for table, digest in profile.digests.items()
        for then in earlier
        if then.digests.get(table) == digest
    ]
    _create(database, "copies", "side varchar, day date", copies)


def _create(database: Database, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Make a table with its rows: one statement, with a list of values for each column."""
    database.rows(f"create table {table} ({columns})")
    if rows:
        lists = {f"c{i}": list(values) for i, values in enumerate(zip(*rows, strict=True))}
        database.rows(f"insert into {table} select {', '.join(f'unnest(${c})' for c in lists)}", lists)


def stage_previous_requests(
    database: Database, source: LogSource, files: list[Path], day: date, declarations: Declarations
) -> None:
    """Make `previous_requests`: the ids of the day before `day`, whose `files` these are.

    Raises LogsError naming that day when they can't be read: this day is judged by them.
    """
    eve, requests = day - timedelta(days=1), {"requests": files}
    load_sources(database.connection, source, requests, eve, declarations, only=("request_id",))
    ids = {"requests": {"request_id": table_columns(declarations)["requests"]["request_id"]}}
    with blaming(database.connection, source, requests, eve, ids):
        database.rows("create table previous_requests as from source_requests")
    database.rows("drop view source_requests")
