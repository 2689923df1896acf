"""Real tables of each kind, where its driver is installed, with rows of some days."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from mtmd.config import SourcesConfig
from mtmd.extras.tables.readers import SpooledTable
from tests.flows.postgresql import PASSWORD, PostgreSQL, installed, running

DAY = date(2026, 1, 5)
NEXT = date(2026, 1, 6)
VARIABLE = "MTMD_TEST_DATABASE"
DRIVERS = {"postgresql": "adbc_driver_postgresql", "iceberg": "pyiceberg", "delta": "deltalake"}


@dataclass(frozen=True)
class Remote:
    """A table, its section in a preset, and ways to change it."""

    section: dict[str, Any]
    append: Callable[[pa.Table], None]
    delete: Callable[[int], None]
    folder: Path

    def spooled(self, **changes: Any) -> SpooledTable:
        config = SourcesConfig.model_validate({"ads": self.section | changes}).ads
        return SpooledTable("ads", config, self.folder / "spool", self.folder)


def rows(*numbers: int, day: date = DAY) -> pa.Table:
    """An ad for each number, at another time of the day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return pa.table(
        {
            "ad_id": pa.array(numbers, pa.int64()),
            "bid": pa.array([n / 2 for n in numbers], pa.float32()),
            "vector": pa.array([[float(n), 0.5] for n in numbers], pa.list_(pa.float32())),
            "day": pa.array([day] * len(numbers), pa.date32()),
            "seen": pa.array(
                [midnight + timedelta(hours=n % 24) for n in numbers], pa.timestamp("us", "UTC")
            ),
            "dt": pa.array([day.isoformat()] * len(numbers), pa.string()),
        }
    )


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    programs = installed()
    if programs is None:
        pytest.skip("no PostgreSQL is installed")
    with running(programs) as postgresql:
        yield postgresql


@pytest.fixture(params=DRIVERS)
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    """Ads 1 to 3 of a day and 4 of the next, in each kind of table."""
    with ExitStack() as stack:
        made = empty(request.param, tmp_path, stack, request)
        made.append(rows(1, 2, 3))
        made.append(rows(4, day=NEXT))
        yield made


def empty(kind: str, folder: Path, stack: ExitStack, request: pytest.FixtureRequest) -> Remote:
    """A table without rows, whose columns are those of the first that are appended."""
    if find_spec(DRIVERS[kind]) is None:
        pytest.skip(f"{DRIVERS[kind]} is not installed: tables of kind {kind} can't be tried")
    if kind == "postgresql":
        return _postgresql(folder, stack, request.getfixturevalue("server"))
    return {"iceberg": _iceberg, "delta": _delta}[kind](folder, stack)


def _delta(folder: Path, _stack: ExitStack) -> Remote:
    from deltalake import DeltaTable, write_deltalake  # noqa: PLC0415 - where it is installed

    path = str(folder / "lake" / "ads")
    return Remote(
        {"kind": "delta", "path": "lake/ads", "day_column": "day"},
        lambda table: write_deltalake(path, table, mode="append"),
        lambda ad_id: DeltaTable(path).delete(f"ad_id = {ad_id}"),
        folder,
    )


def _iceberg(folder: Path, stack: ExitStack) -> Remote:
    from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - where it is installed

    (folder / "lake").mkdir(parents=True)
    properties = {
        "type": "sql",
        "uri": f"sqlite:///{folder}/catalog.db",
        "warehouse": f"file://{folder}/lake",
    }
    catalog = load_catalog("lake", **properties)
    stack.callback(catalog.close)
    catalog.create_namespace("logs")
    section = {"kind": "iceberg", "catalog": "lake", "properties": properties, "table": "logs.ads"}
    return Remote(
        section | {"day_column": "day"},
        lambda table: catalog.create_table_if_not_exists("logs.ads", schema=table.schema).append(table),
        lambda ad_id: catalog.load_table("logs.ads").delete(f"ad_id = {ad_id}"),
        folder,
    )


def _postgresql(folder: Path, stack: ExitStack, server: PostgreSQL) -> Remote:
    import adbc_driver_postgresql.dbapi  # noqa: PLC0415 - where it is installed

    address = f"postgresql://prefect:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/prefect"
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setenv(VARIABLE, address)
    server.query("drop schema if exists logs cascade")
    server.query("create schema logs")

    def append(table: pa.Table) -> None:
        with adbc_driver_postgresql.dbapi.connect(address) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest("ads", table, mode="create_append", db_schema_name="logs")
            connection.commit()

    section = {"kind": "postgresql", "connection": VARIABLE, "table": "logs.ads", "day_column": "day"}
    return Remote(
        section,
        append,
        lambda ad_id: server.query(f"delete from logs.ads where ad_id = {ad_id}") and None,
        folder,
    )
