"""A staged day in numbers: what later days are compared with."""

from collections.abc import Iterator
from datetime import date

from mtmd.config import Declarations, Domains, SideSchema
from mtmd.expectations.common import listed, name
from mtmd.extract.database import Database
from mtmd.logs.contract import TABLES
from mtmd.logs.sql import literal
from mtmd.validate.results import DayProfile, DomainProfile, LabelProfile, SideProfile

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
