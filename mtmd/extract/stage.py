"""Extract one day of logs into one shard.

DuckDB does sources, keys, joins, order and row links; the feature columns it returns are encoded by
`mtmd.logs.encoding`, the same code that serving uses. docs/architecture.md says what names a shard.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from mtmd.config import Declarations
from mtmd.errors import LogsError, StorageError
from mtmd.extract.blame import blaming
from mtmd.extract.database import session
from mtmd.extract.shard_tables import write_tables
from mtmd.extract.shards import (
    MANIFEST,
    SHARD_FORMAT,
    ShardManifest,
    ShardRef,
    read_manifest,
    reference,
)
from mtmd.extract.sources import load_sources
from mtmd.logs.contract import TABLES, table_columns
from mtmd.logs.digests import Identity, SourceFiles, identities
from mtmd.logs.source import LogSource
from mtmd.logs.sql import bare_sql, statement
from mtmd.run import RunPlan
from mtmd.store.files import digest, write_json
from mtmd.store.stores import store_of

_log = logging.getLogger(__name__)

STATEMENTS = (
    "stg_request_keys",
    "stg_ad_keys",
    "shard_requests",
    "shard_ads",
    "shard_candidates",
)


def extract(plan: RunPlan, day: date, validated: str) -> ShardRef:
    """The day's shard, taken from an earlier run when its sources and declarations are the same.

    `validated` is the digest of the sources that the suites saw. Raises LogsError when others are there now.
    """
    shard = extract_day(plan.source, day, plan.preset.declarations, plan.workspace.shards)
    if shard.sources != validated:
        raise LogsError(f"logs of {day} changed after they were validated; run again when they are complete")
    return shard


def extract_day(
    source: LogSource,
    day: date,
    declarations: Declarations,
    shards_root: Path,
    *,
    ignore_undeclared: bool = False,
) -> ShardRef:
    """Extract one day, or take the shard that the same files, SQL and declarations gave before.

    `ignore_undeclared` reads logs that have grown columns since the declarations were made.
    A day whose files changed gets a new shard beside the old one, which stays. A stored shard is taken after its
    content is compared with its manifest; a damaged one is made again, with a warning.
    Raises LogsError naming table, day, file and column for logs that are not as the contract says.
    """
    logs = _DayLogs.of(source, day, declarations, shards_root)
    final = _place(shards_root, logs)
    if (kept := _kept(final, logs)) is not None:
        return reference(final, kept, reused=True)
    made = _write_shard(logs, final, ignore_undeclared=ignore_undeclared)
    return reference(final, made, reused=False)


@dataclass(frozen=True)
class _DayLogs:
    """One day's files, and what names the shard that is made of them."""

    source: LogSource
    day: date
    declarations: Declarations
    at_hand: SourceFiles  # without those of a bucket, which are fetched if the shard is not there yet
    read_as: dict[str, Identity]
    sources: dict[str, dict[str, str]]
    fingerprint: str

    @classmethod
    def of(cls, source: LogSource, day: date, declarations: Declarations, shards_root: Path) -> Self:
        """The files as they are now; digests are remembered below `shards_root`."""
        files = source.files_at_hand(day)
        read_as = identities(files)
        cache = shards_root / "digests" / f"date={day.isoformat()}.json"
        sources = source.digests(day, cache=cache, at_hand=files)
        fingerprint = shard_fingerprint(source, sources, declarations)
        return cls(source, day, declarations, files, read_as, sources, fingerprint)

    def files(self) -> SourceFiles:
        """All files, to be kept while they are read."""
        return {
            table: self.at_hand[table] if table in self.at_hand else self.source.day_files(table, self.day)
            for table in TABLES
        }

    def unchanged(self) -> bool:
        """Whether the files are those that name the shard."""
        listed = [table for table in TABLES if table not in self.at_hand]
        now = self.source.digests(self.day, listed, at_hand={})
        return identities(self.at_hand) == self.read_as and now.items() <= self.sources.items()


def _write_shard(logs: _DayLogs, final: Path, *, ignore_undeclared: bool) -> ShardManifest:
    """Read the day and write its shard, whole or not at all; raises as `extract_day` does."""
    source, day, declarations = logs.source, logs.day, logs.declarations
    files = logs.files()
    with store_of(final).atomic_directory(final) as directory:
        with session(directory / "spill", source.readable(files)) as connection:
            load_sources(connection, source, files, day, declarations, ignore_undeclared=ignore_undeclared)
            with blaming(connection, source, files, day, table_columns(declarations)):
                rows, records = write_tables(connection, directory, day, declarations)
        if not logs.unchanged():
            raise LogsError(f"logs of {day} changed while they were read; run again when they are complete")
        manifest = ShardManifest(
            format=SHARD_FORMAT,
            day=day,
            fingerprint=logs.fingerprint,
            files=records,
            sources=logs.sources,
            versions={"duckdb": duckdb.__version__, "pyarrow": pa.__version__},
            **rows,
        )
        write_json(directory / MANIFEST, manifest.model_dump(mode="json"), seal=True)
    return manifest


def shard_fingerprint(
    source: LogSource, sources: dict[str, dict[str, str]], declarations: Declarations
) -> str:
    """Digest of all that decides a shard's content: files, SQL, declarations, format."""
    return digest(
        {
            "format": SHARD_FORMAT,
            "sources": sources,
            "sql": source.bare_statements() | {name: bare_sql(statement(name)) for name in STATEMENTS},
            "declarations": shard_declarations(declarations),
        }
    )


def shard_declarations(declarations: Declarations) -> dict[str, Any]:
    """What of the declarations decides a shard's content.

    What depends on what, and how values are read, is the model's affair: the shards are the same.
    """
    return declarations.model_dump(
        mode="json",
        exclude={
            "domains": {"constrained": True, "tasks": {"__all__": {"parent"}}},
            "features": {"__all__": {"min_count", "dropout"}},
        },
    )


def _place(shards_root: Path, logs: _DayLogs) -> Path:
    return shards_root / f"date={logs.day.isoformat()}" / logs.fingerprint[:16]


def _kept(path: Path, logs: _DayLogs) -> ShardManifest | None:
    """A stored shard's manifest; None where there is none, or it was damaged, and is removed."""
    try:
        return _verified(path, logs) if path.exists() or store_of(path).fetch(path) else None
    except StorageError as error:  # damaged after it was written: a shard appears whole or not at all
        if store_of(path).fetch(path):
            with suppress(StorageError):
                return _verified(path, logs)
        _log.warning("the shard of %s is extracted again, because it was damaged: %s", logs.day, error)
        store_of(path).discard(path)
        return None


def _verified(path: Path, logs: _DayLogs) -> ShardManifest:
    """A stored shard's manifest; raises StorageError where anything differs from what the shard must be."""
    manifest = read_manifest(path, verify=True)
    if (manifest.fingerprint, manifest.sources) != (logs.fingerprint, logs.sources):
        raise StorageError(f"{path / MANIFEST} is of another shard; it must be of {logs.fingerprint}")
    return manifest
