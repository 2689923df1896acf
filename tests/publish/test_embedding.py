from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtmd.errors import BundleError
from mtmd.logs.encoding import EncodedAds, EncodedSide
from mtmd.logs.lists import EncodedList
from mtmd.publish.embedding import BATCH, BLOCK, Counts, embedded, feature_digests, publish_ads
from mtmd.serve.published import open_ads, write_ads
from mtmd.serve.scorer import Scorer


def ads(product: str, count: int, seed: int = 0) -> EncodedAds:
    numbers = np.random.default_rng(seed).normal(size=(count, 2)).astype(np.float32)
    rows = EncodedSide(numbers, np.zeros((count, 1), np.int32), np.zeros((count, 0), np.float32))
    return EncodedAds(product, np.arange(count) * 3, rows, np.arange(count, dtype=np.float32))


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
    assert [(file.product, file.ads) for file in info.files] == [("shopping", 2)]


def test_ids_and_rows_must_be_as_many(bundle: Path, tmp_path: Path) -> None:
    given = ads("standard", 3)
    wrong = EncodedAds("standard", np.arange(2), given.rows, given.bid)
    with pytest.raises(BundleError, match="2 ids came with 3 rows and 3 bids of product 'standard'"):
        publish_ads(Scorer.load(bundle), [wrong], tmp_path / "ads")


def test_only_new_and_changed_ads_are_embedded_again(bundle: Path, tmp_path: Path) -> None:
    """Here the earlier publication says 7 for every ad, so that a copied embedding shows."""
    scorer = Scorer.load(bundle)
    before, after = ads("standard", BLOCK + 600), ads("standard", BLOCK + 700)
    with ThreadPoolExecutor(1) as pool:
        old = [
            replace(block, tasks={t: np.full_like(own, 7) for t, own in block.tasks.items()})
            for block in embedded(scorer, [before, ads("shopping", 4)], pool)
        ]
    write_ads(scorer.info, old, tmp_path / "old")
    after.rows.continuous[: BLOCK + 600] = before.rows.continuous
    changed = np.array([0, 3, BLOCK - 1, BLOCK + 5])
    after.rows.continuous[changed] += 1
    counts = Counts()
    given = [after, ads("shopping", 4, seed=9)]
    previous = open_ads(tmp_path / "old", scorer.info)
    publish_ads(scorer, given, tmp_path / "ads", threads=2, previous=previous, counts=counts)
    assert (counts.embedded, counts.copied) == (len(changed) + 100 + 4, BLOCK + 600 - len(changed))
    blocks = open_ads(tmp_path / "ads", scorer.info).blocks
    ctr = np.concatenate([block.tasks["ctr"] for block in blocks])
    wanted = np.full((BLOCK + 704, 2), 7, np.float32)
    new = np.concatenate([changed, np.arange(BLOCK + 600, BLOCK + 700)])
    wanted[new] = after.rows.continuous[new]
    wanted[BLOCK + 700 :] = given[1].rows.continuous
    np.testing.assert_array_equal(ctr, wanted)
    np.testing.assert_array_equal(
        np.concatenate([block.features for block in blocks]),
        np.concatenate([feature_digests(own.rows) for own in given]),
    )


def test_an_earlier_publication_of_another_bundle_is_refused(
    bundle: Path, tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    other = Scorer.load(make_bundle("b" * 64))
    publish_ads(other, [ads("shopping", 2)], tmp_path / "old")
    previous = open_ads(tmp_path / "old", other.info)
    with pytest.raises(BundleError, match=f"is of bundle {'b' * 64}, the ads are for bundle {'a' * 64}"):
        publish_ads(Scorer.load(bundle), [ads("shopping", 2)], tmp_path / "ads", previous=previous)


def test_every_feature_counts_in_a_digest_and_a_bid_does_not() -> None:
    rows = ads("standard", 1).rows
    first = feature_digests(rows)
    for name, value in (("continuous", 1.5), ("categorical", 3)):
        changed = replace(rows, **{name: np.full_like(getattr(rows, name), value)})
        assert (feature_digests(changed) != first).any()
    assert (feature_digests(replace(rows)) == first).all()


def test_values_and_weights_of_lists_count_in_a_digest_and_their_place_does_not() -> None:
    def digests(start: int, length: int, ids: list[int], weights: list[float] | None = None) -> list[int]:
        weighted = None if weights is None else np.array(weights, np.float32)
        lists = EncodedList(
            np.array([start]), np.array([length], np.int32), np.array(ids, np.int32), weighted
        )
        return feature_digests(replace(ads("standard", 1).rows, lists=(lists,)))[0].tolist()

    first = digests(0, 2, [1, 2])
    assert digests(1, 2, [9, 1, 2]) == first
    others = [digests(0, 1, [1, 2]), digests(0, 2, [2, 1]), digests(0, 2, [1, 2], [1.0, 1.0])]
    assert len({tuple(digest) for digest in (first, *others)}) == 4
    assert digests(0, 2, [1, 2], [1.0, 0.5]) != others[2]


def test_an_ad_that_the_bundle_cannot_embed_stops_the_publication(bundle: Path, tmp_path: Path) -> None:
    given = ads("standard", 300)
    given.rows.categorical[299] = 9
    with pytest.raises(BundleError, match="'goal' has id 9"):
        publish_ads(Scorer.load(bundle), [given], tmp_path / "ads", threads=2)
    assert list(tmp_path.iterdir()) == []
