"""What statements of a team can reach: the logs that the preset declares, and nothing else of the machine."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mtmd.errors import ConfigError
from mtmd.extract import database as extraction
from mtmd.extract.database import database, session
from mtmd.logs.sql import MEMORY, duckdb_paths, linked

Ask = Callable[..., list[Any]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder whose name is a pattern, too."""
    folder = tmp_path / "team[12]"
    folder.mkdir()
    (tmp_path / "team1").mkdir()
    for place in (folder, tmp_path / "team1"):
        where = str(place / "a.parquet").replace("'", "''")
        duckdb.connect().execute(f"copy (select range as a from range(1000)) to '{where}'")
    return folder


@pytest.fixture(params=["extraction", "validation"])
def ask(request: pytest.FixtureRequest, root: Path, tmp_path: Path) -> Iterator[Ask]:
    with ExitStack() as stack:
        if request.param == "extraction":
            connection = stack.enter_context(session(tmp_path / "spill", [root]))
        else:
            connection = stack.enter_context(database([root])).connection

        def rows(sql: str, **parameters: Any) -> list[Any]:
            return list(connection.execute(sql, parameters).fetchall())

        yield rows


def test_the_declared_logs_are_read_and_nothing_else(ask: Ask, root: Path) -> None:
    read = "select count(*) from read_parquet($paths)"
    assert ask(read, paths=duckdb_paths([root / "a.parquet"])) == [(1000,)]
    for beside in (root.parent / "team1", root / ".." / "team1"):
        with pytest.raises(duckdb.Error, match="disabled by configuration"):
            ask(read, paths=[str(beside / "a.parquet")])


def test_a_linked_file_is_read_where_it_is_named_and_nothing_beside_it(root: Path, tmp_path: Path) -> None:
    day, beside = root / "day.parquet", tmp_path / "team1" / "b.parquet"
    day.symlink_to(tmp_path / "team1" / "a.parquet")
    shutil.copy(day, beside)
    with session(tmp_path / "spill", [root, *linked([day])]) as connection:
        ask = "select count(*) from read_parquet($paths)"
        assert connection.execute(ask, {"paths": duckdb_paths([day])}).fetchall() == [(1000,)]
        with pytest.raises(duckdb.Error, match="disabled by configuration"):
            connection.execute(ask, {"paths": [str(beside)]})


@pytest.mark.parametrize(
    "sql",
    [
        "from read_csv('/etc/passwd')",
        "from read_text('/etc/passwd')",
        "from glob('/etc/*')",
        "from read_parquet('http://127.0.0.1:9/a.parquet')",
        "copy (select 1) to '/tmp/mtmd-written.csv'",
        "attach '/tmp/mtmd-attached.db'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set memory_limit = '100GB'",
    ],
)
def test_the_machine_the_network_and_extensions_are_refused(ask: Ask, sql: str) -> None:
    with pytest.raises(duckdb.Error, match=r"disabled|locked|Cannot"):
        ask(sql)


def test_the_machines_time_zone_changes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        with database([root]) as here:
            (hour,) = here.rows("select hour(timestamptz '2026-01-05 12:00:00+00') as utc")
    time.tzset()
    assert hour == {"utc": 12}


def test_what_memory_cannot_hold_still_spills(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY, "60MiB")
    spill = tmp_path / "spill"
    with session(spill, [root]) as connection:
        ((limit,),) = connection.execute("select current_setting('memory_limit')").fetchall()
        assert limit == "60.0 MiB"
        connection.execute(
            "create table t as select md5(i::varchar) as x from range(2000000) as r(i) order by x"
        )
        assert list(spill.iterdir())
    assert not spill.exists()
    with database([root]) as opened:
        assert opened.rows("select current_setting('memory_limit') as limit")[0]["limit"] == "60.0 MiB"


@pytest.mark.parametrize("text", ["8", "lots", "1e2"])
def test_what_is_no_amount_of_memory_is_an_error_in_words(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY, text)
    for opened in (session(tmp_path / "spill", [tmp_path]), database([tmp_path])):
        with pytest.raises(ConfigError, match=rf"^MTMD_DUCKDB_MEMORY \('{text}'\) must be an amount"), opened:
            pass


def test_the_page_on_deployment_has_the_defaults() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text().splitlines()
    (row,) = (line for line in lines if line.startswith(f"| `{MEMORY}`"))
    assert (
        f"a session that validates has `{extraction._VALIDATION_MEMORY}`, and any other one `{extraction._MEMORY}`"
        in row
    )
