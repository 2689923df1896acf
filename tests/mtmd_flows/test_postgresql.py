"""docs/deploy.md's database, for real where a PostgreSQL is installed: `make up` on it, and a run of a deployment."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.documented import Checkout, Step, checkout_in, documented_commands
from tests.mtmd_flows.postgresql import PASSWORD, PostgreSQL, installed, running
from tests.mtmd_flows.runs import LINE

PROGRAMS = installed()
ADDRESS = (
    "export PREFECT_SERVER_DATABASE_CONNECTION_URL="
    '"postgresql+asyncpg://prefect:${PGPASSWORD}@db.internal:5432/prefect"'
)
RUN = """.venv/bin/prefect deployment run simulate-day/simulate-day --param as_of='"2026-01-25"' --param days=27"""

pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL is installed")


@pytest.fixture
def database() -> Iterator[PostgreSQL]:
    assert PROGRAMS is not None
    with running(PROGRAMS) as postgresql:
        yield postgresql


@pytest.fixture
def checkout(tiny_logs: Path, tmp_path: Path) -> Iterator[Checkout]:
    checkout = checkout_in(tmp_path / "checkout")
    shutil.copytree(tiny_logs, checkout.root / "logs" / LINE)
    try:
        yield checkout
    finally:
        checkout.end()


def test_the_documented_platform_keeps_its_runs_in_postgresql(
    checkout: Checkout, database: PostgreSQL
) -> None:
    assert {ADDRESS, RUN} <= set(documented_commands())
    checkout.environment["PGPASSWORD"] = quote(PASSWORD, safe="")
    checkout.take(Step(ADDRESS, swap={"db.internal:5432": f"127.0.0.1:{database.port}"}))
    checkout.take(Step("make up", add="PORT=$A_PORT REPORTS_PORT=$ANOTHER_PORT", says="UI: http://127"))
    checkout.take(Step("export PREFECT_API_URL=http://127.0.0.1:4200/api", swap={":4200": ":$A_PORT"}))
    small = """--param preset='"tiny"'"""
    checkout.take(Step(RUN, swap={"01-25": "01-24", "days=27": "days=1"}, add=small, awaits=True))
    assert (checkout.root / "logs" / LINE / "ads" / "date=2026-01-24").is_dir()
    completed = "select count(*) from flow_run where state_type = 'COMPLETED'"
    assert database.query(completed) == "1"
    assert database.query("select count(*) from deployment") == "8"
    assert database.query("select name from automation order by name").split() == [
        "mtmd-crash-zombies",
        "mtmd-retrain-on-breach",
    ]
    assert not list((checkout.root / ".platform").rglob("*.db"))
