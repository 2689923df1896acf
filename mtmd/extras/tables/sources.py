"""`[sources.<table>]` of a preset, of the kinds of this extra: a table that days are fetched from."""

from typing import Annotated, Literal

from pydantic import Field

from mtmd.config.base import Frozen

DayColumn = Annotated[
    str,
    Field(
        min_length=1, description="column that says a row's day: a date, a time (in UTC), or text 2026-01-05"
    ),
]
Columns = Annotated[
    tuple[str, ...] | None, Field(min_length=1, description="columns that are fetched; all when left out")
]


class PostgresqlTable(Frozen):
    """A table or view of a PostgreSQL database, fetched day by day."""

    kind: Literal["postgresql"]
    connection: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="name of the environment variable that has the connection string, which is in no preset: "
        "postgresql://user:password@host:5432/database",
    )
    table: str = Field(min_length=1, description="table or view, with its schema if it has one: ads.requests")
    day_column: DayColumn
    columns: Columns = None
    version_sql: str | None = Field(
        None,
        description="query of one value that changes whenever rows of a day change; $1 is the day and $2 the day "
        "after. Left out, the database digests the day's rows, which reads all of them",
    )
    days_sql: str | None = Field(
        None, description="query of the days that there are; left out, all distinct days of day_column"
    )


class IcebergTable(Frozen):
    """An Apache Iceberg table, fetched day by day."""

    kind: Literal["iceberg"]
    table: str = Field(min_length=1, description="namespace.table in the catalog")
    catalog: str = Field(
        description="name of the catalog; credentials are in PYICEBERG_CATALOG__<NAME>__… variables"
    )
    properties: dict[str, str] = Field({}, description="of the catalog, such as type, uri and warehouse")
    day_column: DayColumn
    columns: Columns = None


class DeltaTable(Frozen):
    """A Delta Lake table, fetched day by day."""

    kind: Literal["delta"]
    path: str = Field(min_length=1, description="folder of the table, seen from `logs` or absolute; or a URI")
    day_column: DayColumn
    columns: Columns = None


RemoteTable = PostgresqlTable | IcebergTable | DeltaTable
KINDS = {"postgresql": PostgresqlTable, "iceberg": IcebergTable, "delta": DeltaTable}
