"""The ads of one day as the logs have them, encoded: what a publication is made from.

The day's `ads` table alone is read, so a snapshot that was delivered at the start of a day need not wait for the day's
requests. Rows are those of the day's shard, in its order, with the bid beside them.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.blame import blaming
from mtmd.extract.database import batches, reading
from mtmd.extract.sources import load_sources, make_keys
from mtmd.logs.contract import arrow_ids
from mtmd.logs.digests import identities
from mtmd.logs.encoding import EncodedAds, encode
from mtmd.logs.source import LogSource
from mtmd.logs.sql import statement


def ads_digests(source: LogSource, day: date, cache: Path) -> dict[str, str]:
    """sha256 of each file of a day's snapshot of ads, as the manifest of the day's shard has them under `ads`.

    `cache` is a directory of remembered digests: that of the shards. Raises LogsError where there are no files.
    A remote table is fetched as it is by now, a bucket listed.
    """
    source.refresh(day, ["ads"])
    return source.digests(day, ["ads"], cache=cache / f"date={day.isoformat()}.json")["ads"]


def read_ads(source: LogSource, day: date, declarations: Declarations) -> Iterator[EncodedAds]:
    """A day's snapshot of ads, product by product; holds some 32,768 ads in memory.

    Columns that the declarations do not know are ignored: the logs may have grown since. Raises LogsError naming day
    and file or column for a snapshot that is not as the contract says, or that changed while it was read.
    """
    schema = declarations.item
    columns = list(dict.fromkeys(("ad_id", "bid", *schema.columns)))
    for product, raw in _rows(source, day, declarations, columns):
        encoded = encode(pa.Table.from_struct_array(raw), schema, declarations.hash_seed)
        ad_id, bid = arrow_ids(raw.field("ad_id")), _bids(raw)
        for index in np.unique(product):
            rows = slice(*np.searchsorted(product, [index, index + 1]))
            yield EncodedAds(schema.domains[index], ad_id[rows], encoded.take(rows), bid[rows])


def _rows(
    source: LogSource, day: date, declarations: Declarations, columns: Sequence[str]
) -> Iterator[tuple[NDArray[np.int8], pa.StructArray]]:
    """Batches of a day's ads in the order of its shard: the index of each one's product, and its columns."""
    paths = source.day_files("ads", day)
    before = identities({"ads": paths})
    with reading(source.readable({"ads": paths})) as connection:
        load_sources(connection, source, {"ads": paths}, day, declarations, ignore_undeclared=True)
        with blaming(connection, source, {"ads": paths}, day):
            make_keys(connection, day, declarations, ["ads"])
            relation = connection.sql(statement("shard_ads"), params={"columns": list(columns)})
            for batch in batches(relation.order("ad_row")):
                yield batch.column("product_index").to_numpy(), batch.column("source_row")
    if identities({"ads": paths}) != before:
        raise LogsError(f"ads of {day} changed while they were read; run again when they are complete")


def _bids(raw: pa.StructArray) -> NDArray[np.float32]:
    bids: NDArray[np.float32] = pc.fill_null(raw.field("bid"), float("nan")).to_numpy()
    return bids
