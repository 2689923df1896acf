"""Extract one day of logs into one shard.

DuckDB does sources, keys, joins, order and row links; the feature columns it returns are encoded by
`mtmd.logs.encoding`, the same code that serving uses. docs/architecture.md says what names a shard.
"""

import logging
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from mtmd.config import Declarations
from mtmd.errors import LogsError, StorageError
from mtmd.extract.blame import blaming
from mtmd.extract.database import session
from mtmd.extract.shard_tables import write_tables
from mtmd.extract.shards import MANIFEST, SHARD_FORMAT, ShardManifest, ShardRef, read_manifest, reference
from mtmd.extract.sources import load_sources
from mtmd.logs.source import LogSource
from mtmd.logs.sql import bare_sql, statement
from mtmd.run import RunPlan
from mtmd.store.files import digest, write_json
from mtmd.store.stores import store_of

_log = logging.getLogger(__name__)
Sources = dict[str, dict[str, str]]  # of a day: sha256 of each file, by table and file name

STATEMENTS = ("stg_request_keys", "stg_ad_keys", "shard_requests", "shard_ads", "shard_candidates")


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
    without_scores: bool = False,
) -> ShardRef:
    """Extract one day, or take the shard that the same files, SQL and declarations gave before.

    `ignore_undeclared` reads logs that have grown columns since; `without_scores` those that may have lost scores.
    A day whose files changed gets a new shard beside the old one, which stays. A stored shard is taken after its
    content is compared with its manifest; a damaged one is made again, with a warning.
    Raises LogsError naming table, day, file and column for logs that are not as the contract says.
    """

    def read_now() -> Sources:
        return source.digests(day, cache=digests_file(shards_root, day))

    sources = read_now()
    fingerprint = shard_fingerprint(source, sources, declarations)
    if without_scores:  # nothing else may take it for a day whose scores are all there
        fingerprint = digest([fingerprint, "without scores"])
    final = shards_root / f"date={day.isoformat()}" / fingerprint[:16]
    if (kept := _kept(final, fingerprint, sources)) is not None:
        return reference(final, kept, reused=True)
    files = source.source_files(day)
    with store_of(final).atomic_directory(final) as directory:
        with session(directory / "spill", source.readable(files)) as connection:
            lenient = {"ignore_undeclared": ignore_undeclared, "without_scores": without_scores}
            load_sources(connection, source, files, day, declarations, **lenient)
            with blaming(connection, source, files, day):
                rows, records = write_tables(connection, directory, day, declarations)
        if read_now() != sources:
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
        write_json(directory / MANIFEST, manifest.model_dump(mode="json"), seal=True)
    return reference(final, manifest, reused=False)


def digests_file(shards_root: Path, day: date) -> Path:
    """Where the digests of a day's source files are remembered."""
    return shards_root / "digests" / f"date={day.isoformat()}.json"


def shard_fingerprint(source: LogSource, sources: Sources, declarations: Declarations) -> str:
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
            "domains": {"constrained": True, "tasks": {"__all__": {"parent", "maturity"}}},
            "features": {"__all__": {"min_count", "dropout"}},
        },
    )


def _kept(path: Path, fingerprint: str, sources: Sources) -> ShardManifest | None:
    """A stored shard's manifest; None where there is none, or it was damaged, and is removed."""

    def verified() -> ShardManifest:
        manifest = read_manifest(path, verify=True)
        if (manifest.fingerprint, manifest.sources) != (fingerprint, sources):
            raise StorageError(f"{path / MANIFEST} is of another shard; it must be of {fingerprint}")
        return manifest

    try:
        return verified() if path.exists() or store_of(path).fetch(path) else None
    except StorageError as error:  # damaged after it was written: a shard appears whole or not at all
        if store_of(path).fetch(path):
            with suppress(StorageError):
                return verified()
        _log.warning("the shard %s is extracted again, because it was damaged: %s", path, error)
        store_of(path).discard(path)
        return None
