"""docs/deploy.md's database, for real where a PostgreSQL is installed: a platform on it, and a run of a deployment."""

from pathlib import Path

import pytest

from tests.documented import documented_commands
from tests.flows.deployed import Deployed
from tests.flows.postgresql import ADDRESS, PostgreSQL, installed
from tests.flows.runs import TINY

pytestmark = pytest.mark.skipif(installed() is None, reason="no PostgreSQL is installed")


def test_the_documented_platform_keeps_its_runs_in_postgresql(
    deployed: Deployed, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    assert ADDRESS in documented_commands()
    run = deployed.create(
        "simulate_day", preset=TINY, as_of="2026-01-24", days=1, logs=str(tmp_path / "logs")
    )
    deployed.ended([run])
    assert (tmp_path / "logs" / "ads" / "date=2026-01-24").is_dir()
    completed = "select count(*) from flow_run where state_type = 'COMPLETED'"
    assert postgresql.query(f"{completed} and id = '{run}'") == "1"
    assert postgresql.query("select count(*) from deployment") == "7"
    assert postgresql.query("select name from automation order by name").split() == [
        "mtmd-crash-zombies",
        "mtmd-retrain-on-breach",
    ]
    assert not list(deployed.platform.home.rglob("*.db"))
