from pathlib import Path

import numpy as np
import pytest

from mtmd.errors import BundleError
from mtmd.logs.encoding import EncodedAds, EncodedSide
from mtmd.serve.published import BATCH, BLOCK, open_ads, publish_ads
from mtmd.serve.scorer import Scorer


def ads(product: str, count: int, seed: int = 0) -> EncodedAds:
    numbers = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
    rows = EncodedSide(numbers, np.zeros((count, 1), np.int32), np.zeros((count, 0), np.float32))
    return EncodedAds(product, np.arange(count) * 3, rows, np.arange(count, dtype=np.float32))


@pytest.mark.parametrize(("threads", "count"), [(1, 1), (1, BATCH + 1), (2, 2 * BLOCK + BATCH + 3)])
def test_every_ad_has_the_embedding_that_its_tower_gives(
    bundle: Path, tmp_path: Path, count: int, threads: int
) -> None:
    scorer = Scorer.load(bundle)
    given = [ads("standard", count), ads("shopping", 5, seed=1)]
    assert publish_ads(scorer, given, tmp_path / "ads", threads) == count + 5
    published = open_ads(tmp_path / "ads", scorer.info)
    ctr = np.concatenate([block.tasks["ctr"] for block in published.blocks])
    octr = np.concatenate([block.tasks["octr"] for block in published.blocks if "octr" in block.tasks])
    # The towers of this bundle: ctr is the two numbers, octr is twice those.
    np.testing.assert_array_equal(ctr, np.concatenate([own.rows.continuous for own in given]))
    np.testing.assert_array_equal(octr, 2 * given[0].rows.continuous)
    assert published.ad_id.tolist() == [3 * n for n in range(count)] + [0, 3, 6, 9, 12]


def test_ads_that_cannot_be_embedded_stop_the_publication(bundle: Path, tmp_path: Path) -> None:
    given = ads("standard", 300)
    few = EncodedAds("standard", np.arange(2), given.rows, given.bid)
    given.rows.categorical[299] = 9
    for wrong, words in ((few, "2 ids came with 300 rows and 300 bids"), (given, "'goal' has id 9")):
        with pytest.raises(BundleError, match=words):
            publish_ads(Scorer.load(bundle), [wrong], tmp_path / "ads", threads=2)
    assert list(tmp_path.iterdir()) == []
