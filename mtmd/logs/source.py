"""Where a line's logs are, and the statements that read them."""

from dataclasses import dataclass
from pathlib import Path

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.logs.contract import TABLES
from mtmd.logs.sql import SQL, bare_sql, statement, without_end


@dataclass(frozen=True)
class LogSource:
    """The three tables of the log contract, as their owner stores them.

    `root` is the folder of the tables: a path or a file:// URI. `sql` is the folder of `source_requests.sql`,
    `source_ads.sql` and `source_candidates.sql`; None where the files have the contract's columns already.
    """

    root: str | Path
    sql: str | Path | None = None

    @classmethod
    def of(cls, preset: Preset, logs: str | None = None) -> "LogSource":
        """The source of a preset; `logs` takes the place of the preset's own folder."""
        return cls(preset.logs if logs is None else logs, preset.sql)

    def file(self, table: str) -> Path:
        """Where the statement of a table is."""
        return (SQL if self.sql is None else Path(self.sql)) / f"source_{table}.sql"

    def statement(self, table: str) -> str:
        """The statement that gives a table's columns, without the semicolon that ends it.

        Raises ConfigError where the folder has none, and for a file with a second statement.
        """
        path = self.file(table)
        if self.sql is None:
            return statement(path.stem)
        if not path.is_file():
            raise ConfigError(
                f"{path} does not exist; the preset's `sql` ({self.sql}) must be a folder with a statement for each "
                "table: write it, or leave `sql` out where the files have the contract's columns"
            )
        text, second_line = without_end(path.read_text(encoding="utf-8"))
        if second_line is not None:
            raise ConfigError(
                f"{path}, line {second_line}: a second statement begins here; a table has one statement: remove the "
                "second"
            )
        return text

    def bare_statements(self) -> dict[str, str]:
        """What the three statements compute, by name, without comments: part of the names of what is read by them."""
        return {f"source_{table}": bare_sql(self.statement(table)) for table in TABLES}
