"""Where a line's logs are, and the statements that read them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from mtmd import extension
from mtmd.config import Preset, SourcesConfig
from mtmd.config.sources import Files
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.contract import TABLES
from mtmd.logs.digests import SourceFiles, source_digests
from mtmd.logs.places import DayTemplate
from mtmd.logs.sql import SQL, bare_sql, linked, parameter_names, without_end
from mtmd.store.stores import in_bucket, resolve

_LAYOUT = SourcesConfig()


class Table(Protocol):
    """The days of one table, here in a folder; an extra fetches others. All raises as `LogSource` does."""

    @property
    def place(self) -> str:
        """Where the table's days are, for people."""

    @property
    def folders(self) -> list[Path]:
        """Where files are that are read, outside the spool."""
        return []

    def days(self) -> set[date]:
        """The days that the table has now."""

    def refresh(self, day: date) -> object:
        """Ask for the day anew, and fetch what is new."""

    def files(self, day: date) -> list[Path]:
        """The day's files, as they were fetched or listed last."""

    def digests(self, day: date) -> dict[str, str] | None:
        """sha256 of each file, by name, where it is known without the file; None where the files are read for it."""
        return None


@dataclass(frozen=True)
class FolderTable(Table):
    """A table in files of this machine."""

    name: str
    template: DayTemplate

    @property
    def place(self) -> str:
        return str(self.template.folder / self.template.text)

    @property
    def folders(self) -> list[Path]:
        return [self.template.above]

    def days(self) -> set[date]:
        return self.template.days()

    def refresh(self, day: date) -> None:
        """What is there is read as it is."""

    def files(self, day: date) -> list[Path]:
        return self.template.files(self.name, day)


@dataclass(frozen=True)
class LogSource:
    """The three tables of the log contract, as their owner stores them.

    `root` is what places are seen from: a folder's path, or the URL of a bucket and prefix. `sql` is the
    folder of `source_requests.sql`, `source_ads.sql` and `source_candidates.sql`; None where the files have the
    contract's columns already. `tables` says where each table's days are, and `spool` is the folder of those that are
    fetched.
    """

    root: str | Path
    sql: str | Path | None = None
    tables: SourcesConfig = _LAYOUT
    spool: Path | None = None

    @classmethod
    def of(cls, preset: Preset, logs: str | None = None, spool: Path | None = None) -> "LogSource":
        """The source of a preset; `logs` takes the place of the preset's own folder."""
        return cls(preset.logs if logs is None else logs, preset.sql, preset.sources, spool)

    def readable(self, *files: SourceFiles) -> list[Path]:
        """What its statements may read: the logs, what is fetched of them, and what these files are linked from."""
        folders = [] if self.spool is None else [self.spool]
        if not in_bucket(self.root):
            folders.append(resolve(self.root))
        for table in TABLES:
            folders += self.table(table).folders
        each = (path for tables in files for paths in tables.values() for path in paths)
        return [*folders, *linked(each)]

    def is_remote(self, table: str) -> bool:
        """Whether the table's days are fetched before they are read: from a bucket, or a table that is no files."""
        return self.is_in_bucket(table) or not isinstance(self.tables.of(table), Files)

    def is_in_bucket(self, table: str) -> bool:
        """Whether the table's days are files of a bucket."""
        config = self.tables.of(table)
        return isinstance(config, Files) and any(map(in_bucket, (self.root, config.template(table))))

    def file(self, table: str) -> Path:
        """Where the statement of a table is."""
        return Path(SQL if self.sql is None else self.sql) / f"source_{table}.sql"

    def statement(self, table: str) -> str:
        """The statement that gives a table's columns, without the semicolon that ends it.

        Raises ConfigError where the folder has none that can be read, for a second statement, which could write files,
        and for one that does not read `$paths`.
        """
        path = self.file(table)
        try:
            text, second = without_end(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} can't be read ({error}); the preset's `sql` ({self.sql}) must be a folder with a statement "
                "for each table, in UTF-8",
                "write it, or leave `sql` out where the files have the contract's columns",
            ) from error
        if second is not None:
            raise ConfigError(
                f"{path}, line {second}: a second statement begins here; a table has one", "remove the second"
            )
        if "paths" not in parameter_names(text):
            raise ConfigError(
                f"{path} does not read $paths, the day's files, by whose content shards are named",
                "read from them: read_parquet($paths)",
            )
        return text

    def bare_statements(self) -> dict[str, str]:
        """What the three statements compute, by name: part of the names of what is read by them."""
        return {f"source_{table}": bare_sql(self.statement(table)) for table in TABLES}

    def day_files(self, table: str, day: date) -> list[Path]:
        """The files of one table and day.

        Those of a remote table are as they were fetched or listed last. Raises LogsError naming the table, the day and
        the place when there are none, and ConfigError for what a remote table needs and has not.
        """
        return self.table(table).files(day)

    def refresh(self, day: date, tables: Iterable[str] = TABLES) -> None:
        """Fetch what remote tables have of the day by now; raises as `day_files` does."""
        for table in tables:
            self.table(table).refresh(day)

    def has_day(self, table: str, day: date) -> bool:
        """Whether `day_files` are there."""
        try:
            return bool(self.day_files(table, day))
        except LogsError:
            return False

    def source_files(self, day: date) -> SourceFiles:
        """Each table's files of the day; raises LogsError naming the table that has none."""
        return {table: self.day_files(table, day) for table in TABLES}

    def digests(
        self, day: date, tables: Iterable[str] = TABLES, *, cache: Path | None = None
    ) -> dict[str, dict[str, str]]:
        """sha256 of each of the day's files, by table and file name; raises as `day_files` does.

        `cache` remembers those of files. Objects of a bucket have theirs since they were fetched first: they need not
        be there now.
        """
        known = {table: self.table(table).digests(day) for table in tables}
        files = {table: self.day_files(table, day) for table, found in known.items() if found is None}
        read = source_digests(files, cache)
        return {table: read[table] if found is None else found for table, found in known.items()}

    def available_days(self) -> tuple[date, ...]:
        """Days that all three tables have, oldest first; raises LogsError where a name has a day that is none."""
        return tuple(sorted(set.intersection(*(self.table(name).days() for name in TABLES))))

    def newest_common_day(self) -> date:
        """The newest day that all tables have; raises LogsError where there is none."""
        if not (days := self.available_days()):
            raise LogsError(
                f"logs {str(self.root)!r} have no day of which there are all three tables", "deliver one"
            )
        return days[-1]

    def newest_day(self, table: str) -> date:
        """The newest day of one table; raises LogsError where there is none."""
        if not (days := self.table(table).days()):
            raise LogsError(
                f"{self.table(table).place} has no day of {table}; write one there, then run again"
            )
        return max(days)

    def table(self, name: str) -> Table:
        """One table. Raises ConfigError where it needs an extra that is not registered."""
        config = self.tables.of(name)
        if isinstance(config, Files) and not self.is_in_bucket(name):
            return FolderTable(name, DayTemplate(resolve(self.root), config.template(name)))
        assert self.spool is not None, f"{name} is fetched; its reader says no folder for it"
        fetched: Table
        if isinstance(config, Files):
            readers = extension.required("bucket", "readers", f"{name}, whose files are in a bucket,")
            fetched = readers.table(name, str(self.root), config.template(name), self.spool)
        else:
            readers = extension.required("tables", "readers", f"[sources.{name}] of kind {config.kind!r}")
            root = str(self.root) if in_bucket(self.root) else resolve(self.root)
            fetched = readers.table(name, config, self.spool, root)
        return fetched
