"""How OpenLineage names what a run reads and writes: by where it is, so that it is the same dataset to every job."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from mtmd.config import Preset
from mtmd.config.sources import Files
from mtmd.logs.contract import TABLES
from mtmd.store.files import in_bucket, resolve
from mtmd.store.stores import store_of


class Dataset(NamedTuple):
    """A dataset's name in OpenLineage."""

    namespace: str
    name: str


def log_tables(preset: Preset, logs: str) -> dict[str, tuple[Dataset, ...]]:
    """The datasets of each table of the log contract; days are parts of them.

    A table that is no files is named by its kind and by what the preset calls it.
    """
    root = logs if in_bucket(logs) else str(resolve(logs))
    found: dict[str, tuple[Dataset, ...]] = {}
    for table in TABLES:
        config = preset.sources.of(table)
        if isinstance(config, Files):
            found[table] = tuple(_place(_folder(text), root) for text in config.templates(table))
        else:
            name = getattr(config, "path", None) or getattr(config, "table", table)
            found[table] = (Dataset(config.kind, str(name)),)
    return found


def stored(path: Path) -> Dataset:
    """Something below the artifacts: in their bucket if they are in one, and not in a machine's working folder."""
    return _place(store_of(path).place(path), "/")


def _folder(template: str) -> str:
    """The part of a template that all days share, in whole folders; of days that are files, the template itself."""
    return template.partition("{")[0].rpartition("/")[0] or template


def _place(location: str, root: str) -> Dataset:
    """A path, or an address such as s3://bucket/folder; seen from a folder or a bucket's URL."""
    if "://" not in location and not in_bucket(root):
        return Dataset("file", str(Path(root) / location))
    address = urlsplit(location if "://" in location else f"{root.rstrip('/')}/{location}")
    return Dataset(f"{address.scheme}://{address.netloc.rpartition('@')[2]}", address.path.strip("/"))
