"""Where a line's logs are, and the statements that read them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from mtmd import extension
from mtmd.config import Preset, SourcesConfig
from mtmd.config.sources import Files
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.checksums import require_as_listed
from mtmd.logs.contract import TABLES
from mtmd.logs.digests import Identity, SourceFiles, file_identity, source_digests
from mtmd.logs.locking import linked
from mtmd.logs.sql import SQL, bare_sql, literals, parameter_names, statement, without_end
from mtmd.logs.templates import DayTemplate, of_day, sums_at
from mtmd.store.files import sha256_file
from mtmd.store.stores import in_bucket, resolve

_LAYOUT = SourcesConfig()


class FetchedTable(Protocol):
    """One table whose days an extra fetches; all raises as `LogSource` does."""

    @property
    def place(self) -> str:
        """Where the table's days are, for people."""

    @property
    def folders(self) -> list[Path]:
        """Where files are once they are fetched, outside the spool."""

    def days(self) -> set[date]:
        """The days that the table has now."""

    def has_day(self, day: date) -> bool:
        """Whether it has a day now."""

    def refresh(self, day: date) -> None:
        """Ask for the day anew, and fetch what is new."""

    def files(self, day: date) -> list[Path]:
        """The day's files, as they were fetched or listed last."""

    def digests(self, day: date) -> dict[str, str] | None:
        """sha256 of each file, by name, where it is known without the file; None where the files are read for it."""


@dataclass(frozen=True)
class LogSource:
    """The three tables of the log contract, as their owner stores them.

    `root` is what places are seen from: a folder's path, a file:// URI, or the URL of a bucket and prefix. `sql` is the
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

    @property
    def roots(self) -> list[Path]:
        """The folders that its statements may read: of the logs, of what is fetched of them, and of the SQL."""
        named = (self.spool, None if self.sql is None else Path(self.sql).absolute())
        folders = [folder for folder in named if folder is not None]
        if not in_bucket(self.root):
            folders.append(resolve(self.root))
        for place in map(self._place, TABLES):
            folders += [template.above for template in place] if isinstance(place, list) else place.folders
        return folders

    def readable(self, *files: SourceFiles) -> list[Path]:
        """What its statements may read: `roots`, and the places elsewhere that these files are linked from."""
        each = (path for tables in files for paths in tables.values() for path in paths)
        return [*self.roots, *linked(each)]

    def is_csv(self, table: str) -> bool:
        """Whether the table's files are text, of which every column is read as its declared type."""
        config = self.tables.of(table)
        return isinstance(config, Files) and config.format == "csv"

    def is_remote(self, table: str) -> bool:
        """Whether the table's days are fetched before they are read: from a bucket, or a table that is no files."""
        return self.is_in_bucket(table) or not isinstance(self.tables.of(table), Files)

    def file(self, table: str) -> Path:
        """Where the statement of a table is."""
        if self.sql is None:
            return SQL / ("source_csv.sql" if self.is_csv(table) else f"source_{table}.sql")
        return Path(self.sql) / f"source_{table}.sql"

    def statement(self, table: str) -> str:
        """The statement that gives a table's columns, without the semicolon that ends it.

        Raises ConfigError where the folder has none that can be read, for a second statement, and for one that does not
        read `$paths`.
        """
        path = self.file(table)
        if self.sql is None:
            return statement(path.stem)
        if not path.is_file():
            raise ConfigError(
                f"{path} does not exist; the preset's `sql` ({self.sql}) must be a folder with a statement for each "
                "table: write it, or leave `sql` out where the files have the contract's columns"
            )
        text, second_line = without_end(_read_sql(path))
        if second_line is not None:
            raise ConfigError(
                f"{path}, line {second_line}: a second statement begins here; a table has one statement: remove the "
                "second"
            )
        if "paths" not in parameter_names(text):
            raise ConfigError(
                f"{path} does not read $paths, the day's files, by whose content shards are named; read from them: "
                "read_parquet($paths)"
            )
        return text

    def bare_statements(self) -> dict[str, str]:
        """What the three statements compute, by name: part of the names of what is read by them."""
        return {f"source_{table}": self.bare_statement(table) for table in TABLES}

    def bare_statement(self, table: str) -> str:
        """A table's statement without comments, and the sha256 of each file that it reads by name beside `$paths`."""
        text = bare_sql(self.statement(table))
        return "".join((text, *(f" {name} {sha256}" for name, sha256 in self.named_files(table).items())))

    def named_files(self, table: str) -> dict[str, str]:
        """The sha256 of each file that a statement of the team's own reads by name beside `$paths`."""
        if self.sql is None:
            return {}
        named = dict.fromkeys(filter(os.path.isfile, literals(bare_sql(self.statement(table)))))
        return {name: _sha256(name, file_identity(Path(name))) for name in named}

    def day_files(self, table: str, day: date) -> list[Path]:
        """The files of one table and day.

        Those of a remote table are as they were fetched or listed last. Raises LogsError naming the table, the day and
        the place when there are none, and ConfigError for what a remote table needs and has not.
        """
        place = self._place(table)
        if not isinstance(place, list):
            return place.files(day)
        # Places may overlap; a file is read once.
        return list(dict.fromkeys(path for template in place for path in template.files(table, day)))

    def refresh(self, day: date, tables: Iterable[str] = TABLES) -> None:
        """Fetch what remote tables have of the day by now; raises as `day_files` does."""
        for place in map(self._place, tables):
            if not isinstance(place, list):
                place.refresh(day)

    def has_day(self, table: str, day: date) -> bool:
        """Whether a table has the day by now."""
        place = self._place(table)
        if not isinstance(place, list):
            return place.has_day(day)
        try:
            self.day_files(table, day)
        except LogsError:
            return False
        return True

    def source_files(self, day: date) -> SourceFiles:
        """Each table's files of the day; raises LogsError naming the table that has none."""
        return {table: self.day_files(table, day) for table in TABLES}

    def files_at_hand(self, day: date, tables: Iterable[str] = TABLES) -> SourceFiles:
        """As `source_files`, without those of a bucket."""
        return {table: self.day_files(table, day) for table in tables if not self.is_in_bucket(table)}

    def digests(
        self,
        day: date,
        tables: Iterable[str] = TABLES,
        *,
        cache: Path | None = None,
        at_hand: SourceFiles | None = None,
    ) -> dict[str, dict[str, str]]:
        """sha256 of each of the day's files, by table and file name; raises as `day_files` does.

        Raises LogsError where a file is not as the checksums beside it say, too (`mtmd/logs/checksums.py`).
        `cache` remembers those of files, and `at_hand` are these files if they were listed before. Objects of a bucket
        have theirs since they were fetched first: they need not be there now.
        """
        places = {table: self._place(table) for table in tables}
        files = self.files_at_hand(day, tables) if at_hand is None else at_hand
        digests = source_digests(files, cache) if files else {}
        for table, place in places.items():
            if not isinstance(place, list):
                digests |= {} if (known := place.digests(day)) is None else {table: known}
            elif table in files:
                found = dict(zip(map(str, files[table]), digests[table].values(), strict=True))
                sums = [sums_at(one, table, day) for one in _sums(place, table, day)]
                require_as_listed(table, day, found, sums, of_day(place, day))
        return digests

    def require_as_listed(self, table: str, day: date) -> None:
        """Compare a table's files with the checksums beside them; where there are none, nothing is read.

        Raises as `digests` does.
        """
        place = self._place(table)
        if self.is_in_bucket(table) or (isinstance(place, list) and _sums(place, table, day)):
            self.digests(day, [table])

    def table_days(self, table: str) -> set[date]:
        """Days that one table has, in each of its places; raises LogsError where a name has a day that is none."""
        place = self._place(table)
        if not isinstance(place, list):
            return place.days()
        return set.intersection(*(template.days() for template in place))

    def available_days(self) -> tuple[date, ...]:
        """Days that all three tables have, oldest first; raises LogsError as `table_days` does."""
        return tuple(sorted(set.intersection(*map(self.table_days, TABLES))))

    def newest_day(self, table: str) -> date:
        """The newest day of one table; raises LogsError where there is none."""
        days = self.table_days(table)
        if not days:
            raise LogsError(f"{self.place(table)} has no day of {table}; write one there, then run again")
        return max(days)

    def place(self, table: str) -> str:
        """Where the table's days are, for people."""
        place = self._place(table)
        if not isinstance(place, list):
            return place.place
        return " and ".join(str(template.folder / template.text) for template in place)

    def said_place(self, table: str) -> str | None:
        """The preset's own words on where the table is; None where it says nothing."""
        config = self.tables.of(table)
        if not isinstance(config, Files):
            return f"[sources.{table}]"
        return None if config.files is None else f"sources.{table}.files ({config.files})"

    def is_in_bucket(self, table: str) -> bool:
        """Whether the table's days are files of a bucket."""
        config = self.tables.of(table)
        return isinstance(config, Files) and any(map(in_bucket, (self.root, *config.templates(table))))

    def _place(self, table: str) -> list[DayTemplate[Path]] | FetchedTable:
        config = self.tables.of(table)
        if isinstance(config, Files) and not self.is_in_bucket(table):
            return [DayTemplate(resolve(self.root), text) for text in config.templates(table)]
        assert self.spool is not None, f"{table} is fetched; its reader says no folder for it"
        fetched: FetchedTable
        if isinstance(config, Files):
            readers = extension.required("bucket", "readers", f"{table}, whose files are in a bucket,")
            fetched = readers.table(table, str(self.root), config.templates(table), self.spool)
        else:
            readers = extension.required("tables", "readers", f"[sources.{table}] of kind {config.kind!r}")
            root = str(self.root) if in_bucket(self.root) else resolve(self.root)
            fetched = readers.table(table, config, self.spool, root)
        return fetched


@lru_cache(maxsize=64)  # asked for with each day
def _sha256(name: str, _identity: Identity) -> str:
    return sha256_file(Path(name))


def _read_sql(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}, line {line}: {content[error.start : error.start + 1]!r} is no UTF-8 text, which a statement must "
            "be; save the file as UTF-8"
        ) from error


def _sums(templates: Iterable[DayTemplate[Path]], table: str, day: date) -> list[Path]:
    """The lists of checksums beside a day's files."""
    return list(dict.fromkeys(path for one in templates for path in one.files_and_sums(table, day)[1]))
