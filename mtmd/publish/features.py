"""Published embeddings as features of another model, such as the heavyweight ranker (paper §1): one Parquet file.

One row per ad: `ad_id` int64, `product` string, `bundle_id` string, `day` date of the snapshot, `bid` float, and
`embedding.<task>` a fixed-size list of float32 per task, null where the product lacks it. Vectors of one bundle are
comparable with each other and with nothing else, so join on `bundle_id` as well as on `ad_id`.
"""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from mtmd.registry.bundle import OUTPUT_PREFIX, BundleInfo
from mtmd.serve.published import AdBlock, PublishedAds
from mtmd.store.files import atomic_file


def export_embeddings(ads: PublishedAds, info: BundleInfo, day: date, path: Path) -> int:
    """Write the file, all of it or nothing, block by block; the number of its rows."""
    schema = _schema(info)
    with atomic_file(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for block in ads.blocks:
            writer.write_batch(_batch(block, info, day, schema))
    return len(ads)


def _schema(info: BundleInfo) -> Any:
    fields = [
        ("ad_id", pa.int64()),
        ("product", pa.string()),
        ("bundle_id", pa.string()),
        ("day", pa.date32()),
        ("bid", pa.float32()),
    ]
    vectors = [(OUTPUT_PREFIX + task, pa.list_(pa.float32(), width)) for task, width in info.widths.items()]
    return pa.schema(fields + vectors)


def _batch(block: AdBlock, info: BundleInfo, day: date, schema: Any) -> Any:
    rows = len(block)
    columns = [
        pa.array(block.ad_id),
        pa.repeat(pa.scalar(block.product), rows),
        pa.repeat(pa.scalar(info.bundle_id), rows),
        pa.repeat(pa.scalar(day), rows),
        pa.array(block.bid),
    ]
    for task, width in info.widths.items():
        matrix = block.tasks.get(task)
        if matrix is None:
            columns.append(pa.nulls(rows, pa.list_(pa.float32(), width)))
        else:
            flat = pa.array(np.ascontiguousarray(matrix, np.float32).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, width))
    return pa.record_batch(columns, schema=schema)
