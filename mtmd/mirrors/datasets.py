"""How OpenLineage names what a run reads and writes: by where it is, so that it is the same dataset to every job."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from mtmd.config import Preset
from mtmd.config.sources import DeltaTable, Files, IcebergTable, PostgresqlTable
from mtmd.logs.contract import TABLES
from mtmd.store.durable import home
from mtmd.store.files import resolve
from mtmd.store.objects import in_bucket

_POSTGRESQL_PORT = 5432
_CONTAINER_AND_ACCOUNT = {"abfs", "abfss", "wasb", "wasbs"}  # container@account, where others have user@host


class Dataset(NamedTuple):
    """A dataset's name in OpenLineage."""

    namespace: str
    name: str


def log_tables(preset: Preset, logs: str) -> dict[str, tuple[Dataset, ...]]:
    """The datasets of each table of the log contract; days are parts of them."""
    root = logs if in_bucket(logs) else str(resolve(logs))
    found = {table: _of_table(table, preset.sources.of(table), root) for table in TABLES}
    names = [dataset for own in found.values() for dataset in own]
    # Tables whose days share their folders are told apart by the names of their files.
    return {
        table: own if all(names.count(one) == 1 for one in own) else _templates(table, preset, root)
        for table, own in found.items()
    }


def stored(path: Path) -> Dataset:
    """Something below the artifacts: in their bucket if they are in one, and not in a machine's working folder."""
    return _place(str(home(path) or path))


def _of_table(table: str, config: object, root: str) -> tuple[Dataset, ...]:
    match config:
        case Files():
            return tuple(_place(_folder(text), root) for text in config.templates(table))
        case PostgresqlTable():
            return (_postgresql(config, os.environ),)
        case DeltaTable():
            return (_place(config.path, root),)
        case IcebergTable():
            if config.catalog is None:
                return (_place(config.table, root),)
            address = urlsplit(config.properties.get("uri", ""))
            host = address.netloc.rpartition("@")[2]
            return (Dataset(f"iceberg://{host or config.catalog}", config.table),)
    raise AssertionError(f"{config!r} is no source of a table")


def _templates(table: str, preset: Preset, root: str) -> tuple[Dataset, ...]:
    config = preset.sources.of(table)
    if not isinstance(config, Files):
        return _of_table(table, config, root)
    return tuple(_place(text, root) for text in config.templates(table))


def _folder(template: str) -> str:
    """The part of a template that all days share, in whole folders."""
    return template.partition("{")[0].rpartition("/")[0]


def _postgresql(config: PostgresqlTable, environment: Mapping[str, str]) -> Dataset:
    """By host and database, which only the environment knows; the password stays there."""
    address = urlsplit(environment.get(config.connection, ""))
    schema = config.table if "." in config.table else f"public.{config.table}"
    # The first of several hosts: the others are copies of the same database.
    first = urlsplit(f"//{address.netloc.rpartition('@')[2].partition(',')[0]}")
    if not first.hostname:
        return Dataset("postgres", schema)
    host = f"postgres://{first.hostname}:{first.port or _POSTGRESQL_PORT}"
    return Dataset(host, f"{address.path.strip('/')}.{schema}")


def _place(location: str, root: str = "/") -> Dataset:
    """A path, or an address such as s3://bucket/folder; seen from a folder or a bucket's URL."""
    if "://" not in location and not in_bucket(root):
        return Dataset("file", str(Path(root) / location))
    address = urlsplit(location if "://" in location else f"{root.rstrip('/')}/{location}")
    if address.scheme == "file":
        return Dataset("file", address.path)
    names_container = address.scheme in _CONTAINER_AND_ACCOUNT
    host = address.netloc if names_container else address.netloc.rpartition("@")[2]
    return Dataset(f"{address.scheme}://{host}", address.path.strip("/"))
