"""One day of logs as tables in memory, for what reads logs that have no teacher scores yet."""

from datetime import date

import pyarrow as pa

from mtmd.config import Declarations
from mtmd.extract.blame import blaming
from mtmd.extract.database import reading
from mtmd.extract.sources import check_keys, load_sources, make_keys
from mtmd.logs.contract import table_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.source import LogSource

_KEYS = {"requests": "request_id", "ads": "ad_id", "candidates": "request_id, ad_id"}


def read_day_tables(
    source: LogSource, files: SourceFiles, day: date, declarations: Declarations
) -> dict[str, pa.Table]:
    """The three tables of a day in order of their keys, with the declared columns; scores may be missing or null.

    Raises LogsError for files, columns and keys that are not as the contract says.
    """
    with reading(source.readable(files)) as connection:
        load_sources(connection, source, files, day, declarations, without_scores=True)
        with blaming(connection, source, files, day, table_columns(declarations)):
            make_keys(connection, day, declarations)
            check_keys(connection, day, declarations)
            return {
                table: connection.view(f"source_{table}").order(keys).to_arrow_table()
                for table, keys in _KEYS.items()
            }
