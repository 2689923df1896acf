"""`[sources.<table>]` of a preset: where a table's days are: in files, or in a table that days are fetched from."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from mtmd.config.base import Frozen

DAY = re.compile(r"\{day(?::([^{}]*))?\}")  # the day in a template, with its strftime codes
DAY_CODES = ("%Y", "%m", "%d", "%-m", "%-d")
_CODE = re.compile(r"%-?.?")
_WORDS = (
    "write {day} for 2026-01-05, or codes such as {day:%Y%m%d} or year={day:%Y}/month={day:%m}/day={day:%d}"
)


def _is_template(text: str) -> str:
    codes = [code for match in DAY.finditer(text) for code in _CODE.findall(match[1] or "%Y-%m-%d")]
    if unknown := sorted(set(codes) - set(DAY_CODES)):
        raise ValueError(f"must have no {', '.join(unknown)}, but {', '.join(DAY_CODES)} only; {_WORDS}")
    if not {"Y", "m", "d"} <= {code[-1] for code in codes} or re.search(r"[{}]", DAY.sub("", text)):
        raise ValueError(f"must name the day by year, month and day, with nothing else in braces; {_WORDS}")
    before, after = text[: text.rindex("}")], text[text.rindex("}") :]
    if "*" in before or "**" in after:
        raise ValueError("must have each * behind the day, and no **; list several places instead")
    return text


Template = Annotated[str, AfterValidator(_is_template)]


class Files(Frozen):
    """A table in files, each of which belongs to one day."""

    kind: Literal["files"] = "files"
    files: Template | Annotated[tuple[Template, ...], Field(min_length=1)] | None = Field(
        None,
        description="where a day's files are, seen from `logs`, absolute, or a bucket's URL, with {day} for 2026-01-05 "
        "or strftime codes such as {day:%Y%m%d}, and * in names behind the day; of several places a day needs files in "
        "each. "
        "Left out: <table>/date={day}/*.parquet, or *.csv",
    )
    format: Literal["parquet", "csv"] = Field(
        "parquet",
        description="csv: comma-separated with a header, .gz or not; its text is read as the declared types",
    )

    def templates(self, table: str) -> tuple[str, ...]:
        """Where the table's files are, one or several places."""
        if self.files is None:
            return (f"{table}/date={{day}}/*.{self.format}",)
        return (self.files,) if isinstance(self.files, str) else self.files


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
    table: str = Field(
        min_length=1, description="namespace.table in the catalog; without one, the path of its metadata.json"
    )
    catalog: str | None = Field(
        None, description="name of the catalog; credentials are in PYICEBERG_CATALOG__<NAME>__… variables"
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
_KINDS = ("files", "postgresql", "iceberg", "delta")


def _kind(value: Any) -> str | None:
    """The tag of a source: one that is no key of it, so that the place of an error is told by keys alone."""
    kind = value.get("kind", "files") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"kind {kind}" if kind in _KINDS else None


Source = Annotated[
    Annotated[Files, Tag("kind files")]
    | Annotated[PostgresqlTable, Tag("kind postgresql")]
    | Annotated[IcebergTable, Tag("kind iceberg")]
    | Annotated[DeltaTable, Tag("kind delta")],
    Discriminator(
        _kind,
        custom_error_type="source_kind",
        custom_error_message=f"must be a table whose kind is one of {', '.join(_KINDS)}",
    ),
]


class SourcesConfig(Frozen):
    """Where each table of the log contract is."""

    requests: Source = Files()
    ads: Source = Files()
    candidates: Source = Files()

    def of(self, table: str) -> Source:
        """Where one table is."""
        source: Source = getattr(self, table)
        return source
