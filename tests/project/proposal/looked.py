"""Small tables to look at."""

from pathlib import Path

from mtmd.project.engine import Connection
from mtmd.project.proposal.looks import LookedAt, look_at


def looked(connection: Connection, folder: Path, name: str, columns: dict[str, str]) -> LookedAt:
    """A table whose columns are given as DuckDB lists."""
    folder.mkdir(exist_ok=True)
    values = ", ".join(f'unnest({sql}) as "{column}"' for column, sql in columns.items())
    connection.sql(f"select {values}").write_parquet(str(folder / f"{name}.parquet"))
    return look_at(connection, name, [folder / f"{name}.parquet"])
