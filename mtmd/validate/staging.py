"""One day of logs, and how it differs from earlier days, as tables of an in-memory database: what the suites query.

Each file is read once. Features are staged as their kinds say (`mtmd/features`), vectors and lists reduced. The staged
day in numbers is what later days are compared with.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from mtmd.config import Declarations, Domain, Domains, SideSchema
from mtmd.expectations import Measure
from mtmd.expectations.common import listed, name
from mtmd.extract.blame import blaming
from mtmd.extract.database import Database
from mtmd.logs.contract import TABLES, table_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.source import LogSource
from mtmd.logs.sql import literal
from mtmd.validate.deviations import Deviation
from mtmd.validate.results import Cells, DayProfile, Key, Number

CELLS = 64  # that a feature's values are hashed to: two values share a cell by chance once in 64
_ALL = "all"  # the domain of numbers of the whole day


def stage_day(
    database: Database, source: LogSource, files: SourceFiles, day: date, declarations: Declarations
) -> None:
    """Make the tables `requests`, `ads`, `candidates` of the views `source_<table>`; `this_day`; empty `deviations`.

    Raises LogsError when a view can't be read.
    """
    columns = table_columns(declarations)
    with blaming(database.connection, source, files, day):
        for table, side in (("requests", declarations.query), ("ads", declarations.item)):
            kept = [name(column) for column in columns[table] if column not in side.columns]
            staged = [feature.staged_columns() for feature in side.fields]
            database.rows(f"create table {table} as select {', '.join(kept + staged)} from source_{table}")
        # Keys are made distinct first: a repeated one must not multiply the candidates that all counts are of.
        database.rows("""
            create table candidates as
            select
                c.*,
                r.surface,
                a.product,
                r.request_id is not null as request_known,
                a.ad_id is not null as ad_known
            from source_candidates as c
            left join (select request_id, min(surface) as surface from requests group by request_id) as r
                on c.request_id = r.request_id
            left join (select ad_id, min(product) as product from ads group by ad_id) as a
                on c.ad_id = a.ad_id
        """)
    database.rows("create table this_day as select $day as day", {"day": day})
    database.rows(
        "create table deviations (measure varchar, side varchar, domain varchar, subject varchar, observed double, "
        "usual double, lowest double, highest double)"
    )


def stage_deviations(database: Database, found: Sequence[Deviation]) -> None:
    """Fill the table `deviations`."""
    for row in found:
        database.rows(
            f"insert into deviations values ({', '.join(f'${field}' for field in row._fields)})",
            row._asdict(),
        )


def profile_staged_day(database: Database, day: date, declarations: Declarations) -> DayProfile:
    """The staged day in numbers."""
    domains = declarations.domains
    rows = _by_domain(database, domains)
    candidates = {domain: rows.get(domain, {}).get("domain.rows", 0) for domain in domains.domains}
    total = sum(candidates.values()) or 1
    shares = {domain: count / total for domain, count in candidates.items()}
    numbers = [*_volumes(database), *_of_domains(rows, shares, domains), *_of_labels(rows, domains)]
    cells: list[Cells] = []
    for table, column, schema in (
        ("requests", "surface", declarations.query),
        ("ads", "product", declarations.item),
    ):
        of_side = {
            one: sum(share for domain, share in shares.items() if getattr(domain, column) == one)
            for one in schema.domains
        }
        numbers += _null_rates(database, table, column, schema, of_side)
        cells += _categories(database, table, column, schema, of_side)
    return DayProfile(
        day=day,
        candidates={str(domain): count for domain, count in candidates.items()},
        numbers=tuple(numbers),
        cells=tuple(cells),
    )


def _volumes(database: Database) -> Iterator[Number]:
    for table in TABLES:
        (row,) = database.rows(f"select count(*) as n from {table}")
        for measure in (Measure.VOLUME, Measure.ROWS):
            yield Number(Key(measure, table, _ALL, "rows"), row["n"], 1.0)


def _by_domain(database: Database, domains: Domains) -> dict[Domain, dict[str, Any]]:
    """The candidates of each domain, each task's mean finite score there, and what is known of labels, in one pass.

    `known.<label>` counts the rows, of shown ads, that have it, and `true.<label>` those where it is true.
    """
    asked = [
        f"avg({name(task)}) filter (where isfinite({name(task)})) as {name(task)}"
        for task in domains.score_tasks
    ]
    for label, where in _labels(domains).items():
        asked += [
            f"count({name(label)}) filter (where {where}) as {name(f'known.{label}')}",
            f"count(*) filter (where {where} and {name(label)}) as {name(f'true.{label}')}",
        ]
    found = database.rows(
        f'select surface, product, count(*) as "domain.rows", {", ".join(asked)} from candidates '
        "group by surface, product"
    )
    return {Domain(row["surface"], row["product"]): row for row in found}


def _labels(domains: Domains) -> dict[str, str]:
    """What is counted of a day's labels, and of which rows; actions that come later are fewer on newer days."""
    return {"impressed": "true"} | {task.label: "impressed" for task in domains.tasks if not task.maturity}


def _of_domains(
    rows: Mapping[Domain, Mapping[str, Any]], shares: Mapping[Domain, float], domains: Domains
) -> Iterator[Number]:
    """Each domain's share, each task's mean score there, and the part that it is of its parent's mean.

    The part is the same for all mixes of users and ads, so it shows what happened to one task of a small domain.
    """
    for domain, share in shares.items():
        key = partial(Key, side="candidates", domain=str(domain))
        yield Number(key(Measure.MIX, subject="share of candidates"), share, share)
        means = {task: mean for task in domains.score_tasks if (mean := rows.get(domain, {}).get(task))}
        for task in domains.tasks:
            if task.name in means:
                yield Number(key(Measure.SCORES, subject=task.name), means[task.name], share)
            if task.name in means and task.parent in means:
                part = means[task.name] / means[task.parent]
                yield Number(key(Measure.SCORES, subject=f"{task.name} / {task.parent}"), part, share)


def _of_labels(rows: Mapping[Domain, Mapping[str, Any]], domains: Domains) -> Iterator[Number]:
    """How often an ad was shown, and each action followed, over the whole day."""
    for label in _labels(domains):
        true, known = (sum(row[f"{what}.{label}"] for row in rows.values()) for what in ("true", "known"))
        if known:
            yield Number(Key(Measure.LABELS, "candidates", _ALL, label), true / known, 1.0)


def _null_rates(
    database: Database, table: str, column: str, schema: SideSchema, shares: Mapping[str, float]
) -> Iterator[Number]:
    nulls = ", ".join(
        f"avg(cast({feature.missing_sql()} as double)) as {feature.quoted}" for feature in schema.fields
    )
    for rates in database.rows(
        f'select {column} as "domain.name", {nulls} from {table} where {column} in ({listed(schema.domains)}) '
        "group by all order by all"
    ):
        domain = rates.pop("domain.name")
        for feature, rate in rates.items():
            yield Number(Key(Measure.NULLS, table, domain, feature), rate, shares[domain])


def _categories(
    database: Database, table: str, column: str, schema: SideSchema, shares: Mapping[str, float]
) -> Iterator[Cells]:
    """Values are hashed by md5, which unlike DuckDB's own hash is always the same."""
    features = schema.categorical + schema.lists
    if not features:
        return
    values = " union all ".join(
        f"select {column} as domain, {literal(feature.name)} as feature, "
        f"cast({name(feature.name)} as varchar) as value, count(*) as rows "
        f"from {feature.single_values(table, column)} where {name(feature.name)} is not null group by all"
        for feature in features
    )
    found: dict[Key, dict[int, int]] = {}
    for row in database.rows(f"""
        select domain, feature, cast(md5_number_lower(value) % {CELLS} as integer) as cell,
            cast(sum(rows) as bigint) as rows
        from ({values})
        where domain in ({listed(schema.domains)})
        group by all
        order by all
    """):
        key = Key(Measure.CATEGORIES, table, row["domain"], row["feature"])
        found.setdefault(key, {})[row["cell"]] = row["rows"]
    for key, cells in found.items():
        yield Cells(key, cells, shares[key.domain])
