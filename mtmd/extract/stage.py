"""Extract one day of logs into one shard.

DuckDB does sources, keys, joins, order and row links; the feature columns it returns are encoded by
`mtmd.logs.encoding`, the same code that serving uses. docs/architecture.md says what names a shard.
"""

import logging
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from mtmd.config import Declarations
from mtmd.errors import LogsError, StorageError
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
from mtmd.extract.sources import blaming, load_sources
from mtmd.logs.digests import identities, source_digests
from mtmd.logs.source import LogSource
from mtmd.logs.sql import bare_sql, statement
from mtmd.run import RunPlan
from mtmd.store.files import atomic_directory, digest, remove, write_json

_log = logging.getLogger(__name__)

_STATEMENTS = (
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
    files = source.source_files(day)
    before = identities(files)
    sources = source_digests(files, shards_root / "digests" / f"date={day.isoformat()}.json")
    fingerprint = shard_fingerprint(source, sources, declarations)
    final = shards_root / f"date={day.isoformat()}" / fingerprint[:16]
    if final.exists():
        try:
            return reference(final, _verified(final, fingerprint, sources), reused=True)
        except StorageError as error:  # damaged after it was written: a shard appears whole or not at all
            _log.warning("the shard of %s is extracted again, because it was damaged: %s", day, error)
            remove(final)
    with atomic_directory(final) as directory:
        with session(directory / "spill") as connection:
            widened = load_sources(
                connection, source, files, day, declarations, ignore_undeclared=ignore_undeclared
            )
            for column, types in widened.items():
                _log.info("logs of %s: %s is %s: it is read with a cast", day, column, types)
            with blaming(connection, source, files, day, declarations):
                rows, records = write_tables(connection, directory, day, declarations)
        if identities(files) != before:
            raise LogsError(f"logs of {day} changed while they were read; run again when they are complete")
        manifest = ShardManifest(
            format=SHARD_FORMAT,
            day=day,
            fingerprint=fingerprint,
            files=records,
            sources=sources,
            versions={"duckdb": duckdb.__version__, "pyarrow": pa.__version__},
            **rows,
        )
        write_json(directory / MANIFEST, manifest.model_dump(mode="json"))
    return reference(final, manifest, reused=False)


def shard_fingerprint(
    source: LogSource, sources: dict[str, dict[str, str]], declarations: Declarations
) -> str:
    """Digest of all that decides a shard's content: files, SQL, declarations, format."""
    # Once, texts of UUIDs were hashed as they were written.
    uuids = {"uuids": "in lower case"} if declarations.has_uuid_texts else {}
    return digest(
        uuids
        | {
            "format": SHARD_FORMAT,
            "sources": sources,
            "sql": source.bare_statements() | {name: bare_sql(statement(name)) for name in _STATEMENTS},
            # What depends on what, and how values are read, is the model's affair: the shards are the same.
            "declarations": declarations.model_dump(
                mode="json",
                exclude={
                    "domains": {"constrained": True, "tasks": {"__all__": {"parent"}}},
                    "features": {"__all__": {"encoding", "bins", "min_count", "dropout"}},
                },
            ),
        }
    )


def _verified(path: Path, fingerprint: str, sources: dict[str, dict[str, str]]) -> ShardManifest:
    """A stored shard's manifest; raises StorageError where anything differs from what the shard must be."""
    manifest = read_manifest(path, verify=True)
    if (manifest.fingerprint, manifest.sources) != (fingerprint, sources):
        raise StorageError(f"{path / MANIFEST} is of another shard; it must be of {fingerprint}")
    return manifest
