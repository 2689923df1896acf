from datetime import date
from pathlib import Path

import numpy as np
from pyarrow import parquet

from mtmd.publish.stage import export_embeddings
from mtmd.registry.bundle import BundleInfo, load_bundle
from mtmd.serve.published import AdBlock, PublishedAds

DAY = date(2026, 1, 21)


def block(product: str, ids: list[int], **tasks: list[list[float]]) -> AdBlock:
    bid = np.arange(len(ids), dtype=np.float32)
    matrices = {task: np.array(own, np.float32) for task, own in tasks.items()}
    return AdBlock(product, np.array(ids), matrices, bid, np.zeros((len(ids), 2), np.int64))


def test_a_row_has_an_ads_vectors_and_the_bundle_that_they_belong_to(bundle: Path, tmp_path: Path) -> None:
    info: BundleInfo = load_bundle(bundle)
    standard = block("standard", [7, 3], ctr=[[1, 2], [3, 4]], octr=[[5, 6], [7, 8]])
    ads = PublishedAds(info.bundle_id, (standard, block("shopping", [9], ctr=[[0, 1]])))
    path = tmp_path / "features" / "ads.parquet"
    assert export_embeddings(ads, info, DAY, path) == 3
    rows = parquet.read_table(path).to_pylist()
    same = {"bundle_id": "a" * 64, "day": DAY}
    assert rows == [
        {"ad_id": 7, "product": "standard", "bid": 0, "embedding.ctr": [1, 2], "embedding.octr": [5, 6]}
        | same,
        {"ad_id": 3, "product": "standard", "bid": 1, "embedding.ctr": [3, 4], "embedding.octr": [7, 8]}
        | same,
        {"ad_id": 9, "product": "shopping", "bid": 0, "embedding.ctr": [0, 1], "embedding.octr": None} | same,
    ]
    assert [one.name for one in path.parent.iterdir()] == ["ads.parquet"]


def test_no_ads_are_a_file_with_the_same_columns(bundle: Path, tmp_path: Path) -> None:
    info = load_bundle(bundle)
    assert export_embeddings(PublishedAds(info.bundle_id, ()), info, DAY, tmp_path / "ads.parquet") == 0
    table = parquet.read_table(tmp_path / "ads.parquet")
    assert (table.num_rows, table.column_names[-1]) == (0, "embedding.octr")
