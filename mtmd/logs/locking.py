"""Settings that shut DuckDB in: statements read the places that a preset declares, and nothing else of the machine.

No other file, no network, no extension; the settings can't be changed back. DuckDB is not imported here.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mtmd.errors import ConfigError
from mtmd.logs.sql import duckdb_paths, literal

MEMORY = "MTMD_DUCKDB_MEMORY"  # of one session, such as 8GiB
_AMOUNT = re.compile(
    r"(-1|(?=[\d.]*[1-9])(\d*\.?\d+ *(b|bytes?|[kmgt](i?b)?|(kilo|mega|giga|tera)bytes?)"
    r"|(100(\.0*)?|\d{0,2}(\.\d+)?) *%))",
    re.IGNORECASE,
)


def memory(default: str) -> str:
    """How much memory a session may hold before it spills to disk.

    Raises ConfigError for a text that is no amount with its unit.
    """
    text = os.environ.get(MEMORY, "").strip() or default
    if _AMOUNT.fullmatch(text) is None:
        raise ConfigError(
            f"{MEMORY} ({text!r}) must be an amount above 0 with its unit, such as 8GiB, or up to 100%"
        )
    return text


def shut_in(roots: Iterable[Path]) -> Iterator[str]:
    """The statements that leave a session these folders and files, and its spill directory, which is set before."""
    # DuckDB compares a path before it reads it as a pattern, so a folder is also allowed as its files are written then.
    places = [Path(os.path.normpath(root)) for root in roots]
    folders = [place for place in places if not place.is_file()]
    yield "set autoinstall_known_extensions = false"
    yield "set autoload_known_extensions = false"
    yield "set allow_community_extensions = false"
    yield f"set allowed_directories = [{_listed((*map(str, folders), *duckdb_paths(folders)))}]"
    yield f"set allowed_paths = [{_listed(str(place) for place in places if place not in folders)}]"
    yield "set enable_external_access = false"
    yield "set lock_configuration = true"


def linked(files: Iterable[Path]) -> list[Path]:
    """The files that links lead to, of those among the files that are links or in linked folders.

    A folder that a session may read does not have them: DuckDB compares the file that a link leads to.
    """
    real = {file: Path(os.path.realpath(file)) for file in files}
    return [place for file, place in real.items() if place != file]


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(map(literal, dict.fromkeys(texts)))
