"""Whether the window's days have the columns of the day that is looked at; of their rows nothing is read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.logs.contract import optional_columns, table_columns
from mtmd.project.columns import as_read, difference
from mtmd.project.engine import Connection, EngineError
from mtmd.project.findings import Finding, Part, counted, error
from mtmd.project.statements import TableRead


def check_other_days(
    connection: Connection,
    tables: dict[str, TableRead],
    days: Sequence[date],
    declarations: Declarations,
) -> Iterator[Finding]:
    """One finding for each table and difference, with the days that have it. What is cast alike is no difference."""
    optional = optional_columns(declarations.domains)
    for table, read in tables.items():
        if read.columns is None or read.source.is_remote(table):
            continue  # a remote table has the same columns on all days; a bucket's are not fetched for this
        read_alike = partial(as_read, declared=table_columns(declarations)[table], optional=optional)
        usual = read_alike(next(iter(read.columns.values())))
        found: dict[str, list[date]] = {}
        for day in days:
            for words in _differences(connection, replace(read, day=day), usual, read_alike):
                found.setdefault(words, []).append(day)
        for words, having in found.items():
            text = f"{counted(len(having), 'earlier day')}, {having[0]} first: {words}"
            remedy = "deliver them again, or let the statement make them alike; a run stops at such a day"
            yield error(Part.COLUMNS, table, text, remedy)


def _differences(
    connection: Connection,
    read: TableRead,
    usual: dict[str, str],
    read_alike: Callable[[dict[str, str]], dict[str, str]],
) -> Iterator[str]:
    try:
        files = read.source.day_files(read.table, read.day)
    except LogsError as wrong:
        yield str(wrong).split(": ")[1].split("; ")[0]
        return
    for path in files:
        try:
            if words := difference(usual, read_alike(read.columns_of(connection, path))):
                yield words
                return
        except EngineError as wrong:
            yield f"{path.name} can't be read: {str(wrong).splitlines()[0]}"
            return
