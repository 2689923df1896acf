"""One day of logs, and what it is compared with, as tables of an in-memory database: what the suites query.

Each file is read once. Features are staged as their kinds say (`mtmd/features`), vectors and lists reduced; every row
has a hash for the table's digest. The staged day in numbers is what later days are compared with.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from mtmd.config import Declarations, Domains, Preset, SideSchema
from mtmd.expectations.common import listed, name
from mtmd.extract.blame import blaming
from mtmd.extract.database import Database
from mtmd.extract.sources import load_sources
from mtmd.logs.contract import TABLES, table_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.source import LogSource
from mtmd.logs.sql import literal
from mtmd.validate.deviations import deviations
from mtmd.validate.results import DayProfile, DomainProfile, LabelProfile, SideProfile

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
            read = set(side.columns)
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


CELLS = 64  # that a feature's values are hashed to: two values share a cell by chance once in 64


def profile_staged_day(database: Database, day: date, declarations: Declarations) -> DayProfile:
    """The staged day in numbers."""
    sides = (("requests", "surface", declarations.query), ("ads", "product", declarations.item))
    return DayProfile(
        day=day,
        domains=tuple(_domains(database, declarations.domains)),
        sides=tuple(profile for side in sides for profile in _sides(database, *side)),
        labels=_labels(database, declarations.domains),
        digests={table: _digest(database, table) for table in TABLES},
    )


def _domains(database: Database, domains: Domains) -> Iterator[DomainProfile]:
    means = ", ".join(
        f"avg({name(task)}) filter (where isfinite({name(task)})) as {name(task)}"
        for task in domains.task_names
    )
    found = database.rows(
        f'select surface, product, count(*) as candidates, count(distinct request_id) as "domain.requests", {means} '
        "from candidates group by surface, product"
    )
    rows = {(row["surface"], row["product"]): row for row in found}
    total = sum(rows[domain]["candidates"] for domain in domains.domains if domain in rows)
    for domain in domains.domains:
        row = rows.get((domain.surface, domain.product), {})
        count = row.get("candidates", 0)
        yield DomainProfile(
            surface=domain.surface,
            product=domain.product,
            candidates=count,
            requests=row.get("domain.requests", 0),
            share=count / total if total else 0.0,
            mean_scores={task: row.get(task) for task in domains.task_names},
        )


def _labels(database: Database, domains: Domains) -> dict[str, LabelProfile]:
    labels = {task.label: name(task.label) for task in domains.tasks}
    counts = "select count({0}) as shown, count(*) filter ({0}) as actions from candidates where impressed"
    return {
        label: LabelProfile(**database.rows(counts.format(column))[0]) for label, column in labels.items()
    }


def _sides(database: Database, table: str, key: str, schema: SideSchema) -> Iterator[SideProfile]:
    cells = _cells(database, table, key, schema)
    nulls = ", ".join(
        f"avg(cast({feature.missing_sql()} as double)) as {feature.quoted}" for feature in schema.fields
    )
    for rates in database.rows(
        f'select {key} as "domain.name", count(*) as "domain.rows", {nulls} from {table} '
        f"where {key} in ({listed(schema.domains)}) group by all order by all"
    ):
        domain, rows = rates.pop("domain.name"), rates.pop("domain.rows")
        yield SideProfile(
            table=table, domain=domain, rows=rows, null_rates=rates, cells=cells.get(domain, {})
        )


def _cells(
    database: Database, table: str, key: str, schema: SideSchema
) -> dict[str, dict[str, dict[int, int]]]:
    """Cells by domain and feature. Values are hashed by md5, which unlike DuckDB's own hash is always the same."""
    features = schema.categorical + schema.lists
    if not features:
        return {}
    values = " union all ".join(
        f"select {key} as domain, {literal(feature.name)} as feature, cast({name(feature.name)} as varchar) as value, "
        f"count(*) as rows from {feature.single_values(table, key)} "
        f"where {name(feature.name)} is not null group by all"
        for feature in features
    )
    cells: dict[str, dict[str, dict[int, int]]] = {}
    for row in database.rows(f"""
        select domain, feature, cast(md5_number_lower(value) % {CELLS} as integer) as cell,
            cast(sum(rows) as bigint) as rows
        from ({values})
        where domain in ({listed(schema.domains)})
        group by all
        order by all
    """):
        cells.setdefault(row["domain"], {}).setdefault(row["feature"], {})[row["cell"]] = row["rows"]
    return cells


def _digest(database: Database, table: str) -> str:
    """Digest of a table's content, whatever the order of its rows and the number of its files.

    DuckDB promises its hash within one version only, so the version is part of the text: after an upgrade a copy of an
    older day goes unnoticed here (its request ids do not), and nothing is taken for one wrongly.
    """
    parts = 'count(*), bit_xor("row.hash"), sum(cast("row.hash" >> 32 as hugeint))'
    (row,) = database.rows(f"select concat_ws('-', version(), {parts}) as digest from {table}")
    return str(row["digest"])
