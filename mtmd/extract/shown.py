"""Shows rows that are on their way into a shard to somebody else: see `mtmd/logs/passing.py`."""

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.logs.passing import DOMAIN_FIRST, PRODUCT, SURFACE, Show


def show_rows(
    show: Show,
    table: str,
    batches: Iterator[pa.RecordBatch],
    shown: Callable[[pa.RecordBatch], pa.RecordBatch],
) -> None:
    """Call `show` with what `shown` makes of each batch; raises what `batches` raise, or what `show` does."""
    failed: list[Exception] = []

    def passing(head: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield head
        try:
            yield from map(shown, batches)
        except Exception as error:  # else an error of Arrow's stream would take its place
            failed.append(error)
            raise

    first = next(batches, None)
    assert first is not None, f"{table} has no rows; that was refused before"
    head = shown(first)
    try:
        show(table, pa.RecordBatchReader.from_batches(head.schema, passing(head)))
    except Exception:
        if failed:
            raise failed[0]  # noqa: B904 - it is the cause itself
        raise
    assert next(batches, None) is None, f"whoever is shown {table} must read them to their end"


def raw_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The source's columns of a batch."""
    return pa.RecordBatch.from_struct_array(batch.column("source_row"))


class DomainRows:
    """The source's columns of a batch of candidates, with their domains."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """The session's key tables are there."""
        self._surfaces = _indices(
            connection, "select surface_index from stg_request_keys order by request_row"
        )
        self._products = _indices(connection, "select product_index from stg_ad_keys order by ad_row")
        self._last = (-1, -1)  # request and product of the row before

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        request, ad = batch.column("request_row").to_numpy(), batch.column("ad_row").to_numpy()
        product = self._products[ad]
        before = (
            np.concatenate([[self._last[0]], request[:-1]]),
            np.concatenate([[self._last[1]], product[:-1]]),
        )
        is_first = (request != before[0]) | (product != before[1])
        self._last = int(request[-1]), int(product[-1])
        rows = raw_rows(batch)
        more = {SURFACE: self._surfaces[request], PRODUCT: product, DOMAIN_FIRST: is_first}
        return pa.RecordBatch.from_arrays(
            [*rows.columns, *map(pa.array, more.values())], names=[*rows.schema.names, *more]
        )


def _indices(connection: duckdb.DuckDBPyConnection, query: str) -> NDArray[Any]:
    indices: NDArray[Any] = connection.sql(query).to_arrow_table().column(0).to_numpy()
    return indices
