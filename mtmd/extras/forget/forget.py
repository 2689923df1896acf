"""Where rows of some users are below a line's directory, and their removal (docs/operations.md).

The logs say on which days a user is. Of these days the shards go, and all that was made of them. A shard whose logs are
no longer there is judged by the users' buckets. Nothing is removed before all is found, and written down as begun.
Shards go last: until then an interrupted removal finds everything again.
"""

import hashlib
import html
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
from markupsafe import escape
from pydantic import Field

from mtmd.config import Frozen, IdType, Preset
from mtmd.errors import BundleError, ConfigError, LogsError, RegistryError, StorageError
from mtmd.extract.blame import blaming
from mtmd.extract.database import reading
from mtmd.extract.shards import open_shard, read_manifest
from mtmd.extract.sources import load_sources
from mtmd.extract.stage import digests_file, shard_fingerprint
from mtmd.features.categorical import hash_bucket
from mtmd.logs.contract import LONGEST_ID
from mtmd.logs.source import LogSource
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.report.tables import cell
from mtmd.serve.catalogue import Catalogue
from mtmd.store.files import digest, sha256_file, sweep
from mtmd.store.sealed import SEAL, sealed_text
from mtmd.store.workspace import Workspace, read_record, write_record
from mtmd.train.results import MOMENTS
from mtmd.train.stage import read_made

USER = "user_id"  # the contract's column
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NO_TEXTS = {".arrow", ".lock", ".npy", ".onnx", ".parquet", ".safetensors"}
_LONG = 6  # characters of an id that nothing else has by chance
_GONE = "0"  # in the place of an id: JSON stays JSON


class Forgotten(Frozen):
    """What was found, and removed where it is no dry run; without the users it is a record in `forgotten/`."""

    users: int
    dry_run: bool = Field(False, exclude=True)
    days: tuple[date, ...] = Field(description="of the logs, to be delivered again without the users")
    removed: tuple[str, ...] = Field(description="outputs below the line's directory")
    rewritten: tuple[str, ...] = Field(description="records and pages in which an id stood")
    kept: tuple[str, ...] = Field(description="models that learned from them, and serve or may serve again")
    unfinished: str | None = Field(
        None, description="until all is done: a mark of the users, and of many others"
    )

    def lines(self) -> Iterator[str]:
        """For people."""
        if not (self.days or self.removed or self.rewritten):
            yield "the logs have no request of these users, and nothing that was made of one was found"
        would = "would be " * self.dry_run
        yield from (f"{would}removed: {path}" for path in self.removed)
        yield from (f"{would}rewritten: {path}" for path in self.rewritten)
        for model in self.kept:
            yield f"kept: models/{model}, which learned from them: it serves, or a rollback can reach it"
        if self.days:
            days = ", ".join(map(str, self.days))
            yield f"deliver these days again, without the users' requests and their candidates: {days}"
        if any(path.startswith(("trained/", "models/")) for path in self.removed):
            yield "the next day is a full retrain: no training that learned from them is left to go on from"


def read_users(kind: IdType, given: Sequence[str], file: Path | None) -> frozenset[str]:
    """Ids of users, as texts; raises ConfigError for none, a file that can't be read, and what is no id."""
    try:
        lines = [] if file is None else file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise ConfigError(f"--users {file} can't be read ({error}); name a file with an id a line") from error
    users = frozenset(filter(None, (*given, *map(str.strip, lines))))
    if not users:
        raise ConfigError("no user is named; say --user ID, or --users FILE with an id a line")
    for user in sorted(users):
        if len(user) > LONGEST_ID or (kind == "BIGINT" and not _WHOLE.fullmatch(user)):
            must = "be a whole number" if kind == "BIGINT" else f"have at most {LONGEST_ID} characters"
            raise ConfigError(f"user {user[:40]!r} must {must}, as [ids] says of users; correct the id")
    return users


def forget_users(
    preset: Preset, users: frozenset[str], *, logs: str | None, artifacts: str, dry_run: bool
) -> Forgotten:
    """Remove what was made of the users' rows; `dry_run` only finds it.

    Raises LogsError for requests that can't be read, before anything is removed.
    """
    workspace = Workspace.of(artifacts, preset)
    registry, store, root = Registry(workspace.root), workspace.store, workspace.root
    registry.refresh()
    if not dry_run:
        sweep(root)  # what a removal that was interrupted has renamed
    found = _Found(preset, users, workspace, LogSource.of(preset, logs, workspace.spool))
    kept = [model.model_id for model in found.models if model.model_id in registry.standing()]
    models = [model.model_id for model in found.models if model.model_id not in kept]
    made = [*found.made]
    gone = (*map(registry.path, models), *made, *found.shards)
    done = Forgotten(
        users=len(users),
        dry_run=dry_run,
        days=tuple(sorted(found.in_logs)),
        removed=tuple(str(path.relative_to(root)) for path in gone),
        rewritten=tuple(str(path.relative_to(root)) for path in found.texts),
        kept=tuple(kept),
        unfinished=digest(sorted(users))[:4],
    )
    record, done = _begun(root / "forgotten", done)
    if dry_run or not (done.days or done.removed or done.rewritten):
        return done
    write_record(record, done, seal=True)
    for path, text in found.texts.items():
        store.write_text(path, text)
    for path in made:  # before the models, by which some of it is found
        store.discard(path)
    for model in models:
        with Catalogue(root).publishing():
            if model not in registry.standing():  # unless it was made live meanwhile
                store.discard(root / "ads" / model)  # first, as they are found by the model
                registry.discard(model)
    for path in found.shards:
        store.discard(path)
    done = done.model_copy(update={"unfinished": None})
    write_record(record, done, seal=True)
    return done


def _begun(folder: Path, found: Forgotten) -> tuple[Path, Forgotten]:
    """Where the record is written, and what it says: also what an interrupted removal of the same users had found."""
    for path in () if found.dry_run else sorted(folder.glob("*.json")):
        before = read_record(path, Forgotten)
        if before is not None and before.unfinished == found.unfinished:
            both = {name: (*own, *getattr(found, name)) for name, own in before if isinstance(own, tuple)}
            both = {name: tuple(dict.fromkeys(listed)) for name, listed in both.items()}
            return path, found.model_copy(update=both)
    return folder / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S-%f}.json", found


class _Found:
    """Where the users' rows are, and what was made of them.

    in_logs   days of the logs that have the users' requests
    shards    theirs; `days` are those of either
    """

    def __init__(
        self, preset: Preset, users: frozenset[str], workspace: Workspace, source: LogSource
    ) -> None:
        self._preset, self._users, self._source = preset, users, source
        self._workspace, self._root = workspace, workspace.root
        self._delivered: dict[date, dict[str, str]] = {}  # sha256 of each file of a day's requests
        self._sound: set[str] = set()  # fingerprints of shards without the users
        self.in_logs = {day for day in sorted(source.table("requests").days()) if self._is_in_logs(day)}
        self.shards = [
            path for path in sorted(self._root.glob("shards/date=*/[!.]*")) if self._is_theirs(path)
        ]
        self.days = self.in_logs | {date.fromisoformat(path.parent.name[5:]) for path in self.shards}

    @cached_property
    def models(self) -> list[ModelManifest]:
        """Those that learned from the users; where a training went on from others, from any day since theirs began."""
        registry, found = Registry(self._root), []
        for path in sorted(registry.models.glob("[!.]*/manifest.json")):
            with suppress(BundleError, RegistryError):  # a damaged one, which a person may want to restore
                model = registry.manifest(path.parent.name)
                first = min(model.window, default=model.as_of)
                start = model.started_from
                began = first if start is None else start.full_as_of - (model.as_of - first)
                if self._has_seen(model.window) or any(began <= day < first for day in self.days):
                    found.append(model)
        return found

    @property
    def made(self) -> Iterator[Path]:
        """Trainings, checkpoints, what was fetched, and what counts the days' rows."""
        for version in sorted(self._root.glob("spool/requests/*-*-*/[!.]*/")):
            files = sorted(path for path in version.rglob("*") if path.is_file() and path.suffix != ".json")
            try:
                theirs = self._has_rows(files, date.fromisoformat(version.parent.name))
            except LogsError:  # of columns that are no longer read
                theirs = True
            yield from [version] * theirs
        if not self.days:
            return
        learned = {self._workspace.trained(one.kind, one.training or "") for one in self.models}
        for path in sorted(self._root.glob("trained/[!.]*/")):
            shards = made.shards if (made := read_made(path)) else {}
            # A training with moments may have gone on from others: of these it says nothing.
            went_on = (path / MOMENTS).is_file() and max(shards, default=date.max) >= min(self.days)
            if path in learned or not shards or went_on or self._has_seen(shards):
                yield path
        yield from sorted(self._root.glob("work/[!.]*/"))
        for day in sorted(self.days):
            yield from self._root.glob(f"validation/date={day}")
            yield from self._root.glob(f"monitoring/profiles/date={day}")

    @cached_property
    def texts(self) -> dict[Path, str]:
        """Records, pages and logs in which an id stands, as they are without it; copies of your logs are none."""
        wanted = re.compile("|".join(map(pattern, sorted(self._users))))
        found = dict[Path, str]()
        for path in sorted({*self._root.rglob("*")} - {*self._root.glob("spool/**/*")}):
            if not path.is_file() or path.suffix in _NO_TEXTS:
                continue
            with suppress(UnicodeDecodeError):  # no text
                if wanted.search(text := path.read_bytes().decode("utf-8")):
                    found[path] = _sealed_again(path, wanted.sub(_GONE, text))
        for path in [*found]:  # of an output whose manifest has the digests of its files
            manifest = path.with_name("manifest.json")
            said = found.get(manifest) or (manifest.read_text() if manifest.is_file() else "")
            new = hashlib.sha256(found[path].encode()).hexdigest()
            if (old := sha256_file(path)) in said:
                found[manifest] = _sealed_again(manifest, said.replace(old, new))
        return found

    def _is_in_logs(self, day: date) -> bool:
        self._source.refresh(day, ["requests"])
        cache = digests_file(self._workspace.shards, day)
        self._delivered[day] = self._source.digests(day, ["requests"], cache=cache)["requests"]
        return self._has_rows(self._source.day_files("requests", day), day)

    def _has_rows(self, paths: list[Path], day: date) -> bool:
        """Raises LogsError for files that can't be read as declared."""
        source, files, declarations = self._source, {"requests": paths}, self._preset.declarations
        with reading(source.readable(files)) as connection, blaming(connection, source, files, day):
            load_sources(connection, source, files, day, declarations, ignore_undeclared=True)
            user = duckdb.ColumnExpression(USER).cast(duckdb.sqltypes.VARCHAR)
            wanted = user.isin(*map(duckdb.ConstantExpression, sorted(self._users)))
            return bool(connection.view("source_requests").filter(wanted).limit(1).fetchall())

    def _is_theirs(self, shard: Path) -> bool:
        """By its logs where they are there; else by the users' buckets; where neither tells it, it is."""
        own = self._preset.declarations
        features = [feature.name for feature in own.query.categorical]
        try:
            manifest = read_manifest(shard)
        except StorageError:
            return True
        as_now = shard_fingerprint(self._source, manifest.sources, own)
        if manifest.sources.get("requests") == self._delivered.get(manifest.day):
            theirs = manifest.day in self.in_logs
        elif USER not in features or manifest.fingerprint != as_now:
            return True
        else:
            place = features.index(USER)
            one = own.query.categorical[place]
            buckets = [hash_bucket(own.hash_seed, one.hashed_as, user, one.buckets) for user in self._users]
            theirs = bool(np.isin(open_shard(shard).query.categorical[:, place], buckets).any())
        self._sound |= set() if theirs else {manifest.fingerprint}
        return theirs

    def _has_seen(self, window: dict[date, str]) -> bool:
        """Whether a window has a shard of their days that is not known to lack them."""
        return any(day in self.days and shard not in self._sound for day, shard in window.items())


def pattern(user: str) -> str:
    """Of an id in a text: what is like no other word, and other ids in quotes or behind the column's name.

    A number may be a count of something: only its column, not in another cell, or quotes make it an id. A word of
    letters may be one of ours: only its column does.
    """
    written = (user, html.escape(user), escape(user), cell(user), json.dumps(user)[1:-1])
    forms = "|".join(sorted({re.escape(form) for form in written}))
    is_long = len(user) >= _LONG and not re.fullmatch(r"(-|[^\W\d])+", user)
    is_distinct = is_long and not _WHOLE.fullmatch(user)
    named = [rf"(?<=\b{USER}[^\w|]{{{n}}})" for n in range(1, 6)]
    quoted = [r"(?<=['\"])"] if is_long else []
    before = r"(?<![\w.])" if is_distinct else "|".join([*named, *quoted])
    return rf"(?:{before})(?:{forms})(?![\w{'' if is_distinct else '-'}]|\.\w)"


def _sealed_again(path: Path, text: str) -> str:
    """A record's text with the seal of its content, if it had one."""
    with suppress(ValueError):  # it is damaged, or no JSON
        value = json.loads(text) if path.suffix == ".json" else None
        if isinstance(value, dict) and value.pop(SEAL, None):
            return sealed_text(value)
    return text
