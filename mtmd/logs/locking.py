"""Settings that shut DuckDB in: statements read the folders that a preset declares, and nothing else of the machine.

No other file, no network, no extension; the settings can't be changed back. DuckDB is not imported here.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mtmd.logs.files import duckdb_paths

MEMORY = "MTMD_DUCKDB_MEMORY"  # of one session, such as 8GiB


def memory(default: str) -> str:
    """How much memory a session may hold before it spills to disk."""
    return os.environ.get(MEMORY) or default


def shut_in(roots: Iterable[Path]) -> Iterator[str]:
    """The statements that leave a session these folders and its spill directory, which is set before."""
    # DuckDB compares a path before it reads it as a pattern, so a folder is also allowed as its files are written then.
    folders = [os.path.normpath(root) for root in roots]
    allowed = ", ".join(map(_literal, dict.fromkeys((*folders, *duckdb_paths(map(Path, folders))))))
    yield "set autoinstall_known_extensions = false"
    yield "set autoload_known_extensions = false"
    yield "set allow_community_extensions = false"
    yield f"set allowed_directories = [{allowed}]"
    yield "set enable_external_access = false"
    yield "set lock_configuration = true"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
