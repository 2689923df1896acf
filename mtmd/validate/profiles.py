"""A staged day in numbers: what later days are compared with."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from mtmd.config import Declarations, SideSchema
from mtmd.expectations.candidates import DIGEST, SUMMARY
from mtmd.expectations.common import digest_sql, listed, name
from mtmd.expectations.features import null_rates_sql
from mtmd.logs.contract import TABLES
from mtmd.logs.sql import literal
from mtmd.validate.gx_duckdb import Database
from mtmd.validate.results import (
    CategoryProfile,
    DayProfile,
    DomainProfile,
    LabelProfile,
    NullProfile,
    NumberProfile,
)

CELLS = 64  # that a feature's values are hashed to: two values share a cell by chance once in 64


def profile_staged_day(database: Database, day: date, declarations: Declarations) -> DayProfile:
    """The staged day in numbers."""
    domains = declarations.domains
    summary = {(row["surface"], row["product"]): row for row in database.rows(f"from {SUMMARY}")}
    total = sum(summary[d]["candidates"] for d in domains.domains if d in summary)
    profiles = []
    for domain in domains.domains:
        row = summary.get((domain.surface, domain.product), {})
        rows = row.get("candidates", 0)
        profiles.append(
            DomainProfile(
                surface=domain.surface,
                product=domain.product,
                candidates=rows,
                requests=row.get("domain.requests", 0),
                share=rows / total if total else 0.0,
                mean_scores={task: row.get(task) for task in domains.task_names},
            )
        )
    sides = (("requests", "surface", declarations.query), ("ads", "product", declarations.item))
    return DayProfile(
        day=day,
        domains=tuple(profiles),
        null_rates=tuple(null for side in sides for null in _null_rates(database, *side)),
        categories=tuple(category for side in sides for category in _categories(database, *side)),
        digests={
            table: database.rows(DIGEST if table == "candidates" else digest_sql(table))[0]["digest"]
            for table in TABLES
        },
        labels=_labels(summary.values(), declarations),
        numbers=tuple(number for side in sides for number in _numbers(database, side[0], side[2])),
    )


def _labels(rows: Collection[Mapping[str, Any]], declarations: Declarations) -> dict[str, LabelProfile]:
    labels = dict.fromkeys(task.label for task in declarations.domains.tasks)
    return {
        label: LabelProfile(
            shown=sum(row[f"{label}.shown"] or 0 for row in rows),
            actions=sum(row[f"{label}.actions"] or 0 for row in rows),  # null where nothing is shown
        )
        for label in labels
    }


def _numbers(database: Database, table: str, schema: SideSchema) -> Iterator[NumberProfile]:
    ends = [
        f"{end}(cast({name(feature.name)} as double)) filter (where isfinite(cast({name(feature.name)} as double))) "
        f"as {name(f'{feature.name}.{end}')}"
        for feature in schema.continuous
        for end in ("min", "max")
    ]
    (found,) = database.rows(f"select {', '.join(ends)} from {table}") if ends else ({},)
    for feature in schema.continuous:
        if (lowest := found[f"{feature.name}.min"]) is not None:
            highest = found[f"{feature.name}.max"]
            yield NumberProfile(table=table, feature=feature.name, lowest=lowest, highest=highest)


def _null_rates(database: Database, table: str, key: str, schema: SideSchema) -> Iterator[NullProfile]:
    for rates in database.rows(null_rates_sql(key, schema, table) + " order by all"):
        yield NullProfile(
            table=table, domain=rates.pop("domain.name"), rows=rates.pop("domain.rows"), rates=rates
        )


def _categories(database: Database, table: str, key: str, schema: SideSchema) -> Iterator[CategoryProfile]:
    """Distinct values are hashed, by md5: unlike DuckDB's own hash it is the same in every version."""
    features = schema.categorical + schema.lists
    if not features:
        return
    values = " union all ".join(
        f"select {key} as domain, {literal(feature.name)} as feature, cast({name(feature.name)} as varchar) as value, "
        f"count(*) as rows from {feature.single_values(table, key)} "
        f"where {name(feature.name)} is not null group by all"
        for feature in features
    )
    cells: dict[tuple[str, str], dict[int, int]] = {}
    for row in database.rows(f"""
        select domain, feature, cast(md5_number_lower(value) % {CELLS} as integer) as cell,
            cast(sum(rows) as bigint) as rows
        from ({values})
        where domain in ({listed(schema.domains)})
        group by all
        order by all
    """):
        cells.setdefault((row["domain"], row["feature"]), {})[row["cell"]] = row["rows"]
    for (domain, feature), counts in cells.items():
        yield CategoryProfile(table=table, domain=domain, feature=feature, cells=counts)
