from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtmd.encoding import EncodedSide
from mtmd.errors import BundleError
from mtmd.serving import EncodedAds, Scorer, open_ads, publish_ads
from mtmd.serving.publication import BATCH, BLOCK


def ads(product: str, count: int, seed: int = 0) -> EncodedAds:
    numbers = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
    rows = EncodedSide(numbers, np.zeros((count, 1), np.int32), np.zeros((count, 0), np.float32))
    return EncodedAds(product, np.arange(count) * 3, rows)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [1, BATCH + 1, 2 * BLOCK + BATCH + 3])
def test_every_ad_has_the_embedding_that_its_tower_gives(
    bundle: Path, tmp_path: Path, count: int, threads: int
) -> None:
    scorer = Scorer.load(bundle)
    given = [ads("standard", count), ads("shopping", 5, seed=1)]
    publish_ads(scorer, given, tmp_path / "ads", threads=threads)
    published = open_ads(tmp_path / "ads", scorer.info)
    ctr = np.concatenate([block.tasks["ctr"] for block in published.blocks])
    octr = np.concatenate([block.tasks["octr"] for block in published.blocks if "octr" in block.tasks])
    # The towers of this bundle: ctr is the two numbers, octr is twice those.
    np.testing.assert_array_equal(ctr, np.concatenate([own.rows.continuous for own in given]))
    np.testing.assert_array_equal(octr, 2 * given[0].rows.continuous)
    assert published.ad_id.tolist() == [3 * n for n in range(count)] + [0, 3, 6, 9, 12]


def test_the_publication_belongs_to_the_scorers_bundle(
    bundle: Path, tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    info = publish_ads(Scorer.load(bundle), [ads("shopping", 2)], tmp_path / "ads")
    assert info.bundle_id == "a" * 64
    assert [(one.product, one.precision, one.ads) for one in info.files] == [
        ("shopping", "float32", 2),
        ("shopping", "float16", 2),
    ]


def test_ids_and_rows_must_be_as_many(bundle: Path, tmp_path: Path) -> None:
    given = ads("standard", 3)
    with pytest.raises(BundleError, match="2 ids came with 3 rows of product 'standard'"):
        publish_ads(Scorer.load(bundle), [EncodedAds("standard", np.arange(2), given.rows)], tmp_path / "ads")


def test_an_ad_that_the_bundle_cannot_embed_stops_the_publication(bundle: Path, tmp_path: Path) -> None:
    given = ads("standard", 300)
    given.rows.categorical[299] = 9
    with pytest.raises(BundleError, match="'goal' has id 9"):
        publish_ads(Scorer.load(bundle), [given], tmp_path / "ads", threads=2)
    assert list(tmp_path.iterdir()) == []
