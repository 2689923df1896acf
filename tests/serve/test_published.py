"""Ads are published with a bundle whose towers give the two numbers for ctr, and twice those for octr."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mtmd.config import IdsConfig
from mtmd.errors import BundleError
from mtmd.logs.contract import id_list
from mtmd.logs.encoding import EncodedAds, EncodedSide
from mtmd.serve.published import BATCH, BLOCK, open_ads, publish_ads
from mtmd.serve.scorer import Scorer
from mtmd.store.columns import ColumnWriter, map_batches
from mtmd.store.files import read_json, write_json
from mtmd.store.workspace import file_digests

A, B = "a" * 64, "b" * 64


def ads(product: str, ids: list[Any], numbers: Any, bid: float = 0.5) -> EncodedAds:
    """Ads whose bids are their number in the list, times `bid`."""
    values = np.array(numbers, np.float32).reshape(-1, 2)
    rows = EncodedSide(values, np.zeros((len(ids), 1), np.int32), np.zeros((len(ids), 0), np.float32))
    return EncodedAds(product, np.array(ids), rows, np.arange(1, len(ids) + 1, dtype=np.float32) * bid)


FIRST = ads("standard", [7, 3], [[1, 2], [3, 4.125]])
SECOND = ads("standard", [9], [[0, 1]])
THIRD = ads("shopping", [4], [[9, 8]])


@pytest.fixture
def scorer(bundle: Path) -> Scorer:
    return Scorer.load(bundle)


@pytest.fixture
def published(scorer: Scorer, tmp_path: Path) -> Path:
    assert not publish_ads(scorer, [THIRD, FIRST, SECOND], tmp_path / "ads")
    return tmp_path / "ads"


def test_ads_come_back_product_by_product_in_the_order_that_they_were_given(
    scorer: Scorer, published: Path
) -> None:
    found = open_ads(published, scorer.info)
    assert (found.ad_id.tolist(), found.starts.tolist()) == ([7, 3, 9, 4], [0, 2, 3, 4])
    for own, given in zip(found.blocks, (FIRST, SECOND, THIRD), strict=True):
        assert own.product == given.product
        np.testing.assert_array_equal(own.bid, given.bid)
        tasks = {"ctr": given.rows.continuous, "octr": 2 * given.rows.continuous}
        assert own.tasks.keys() == (tasks.keys() if own.product == "standard" else {"ctr"})
        for task, values in own.tasks.items():
            assert values.dtype == np.float32
            np.testing.assert_array_equal(values, tasks[task])
    rows = pa.ipc.open_file(published / "shopping.arrow").read_all().to_pylist()  # as any reader has them
    assert rows == [{"ad_id": 4, "bid": 0.5, "embedding.ctr": [9.0, 8.0]}]


def test_some_ads_are_found_by_their_ids_and_keep_their_order(scorer: Scorer, published: Path) -> None:
    found = open_ads(published, scorer.info)
    some = found.subset(np.array([1, 2, 3]))
    assert [(own.product, own.ad_id.tolist(), own.bid.tolist()) for own in some.blocks] == [
        ("standard", [3], [1.0]),
        ("standard", [9], [0.5]),
        ("shopping", [4], [0.5]),
    ]
    assert some.blocks[0].tasks["octr"].tolist() == [[6, 8.25]]
    assert found.subset(np.empty(0, np.int64)).blocks == ()
    rows, missing = found.find(np.array([4, 5, 7, 4]))
    assert (rows.tolist(), missing.tolist()) == ([0, 3], [5])


def test_ids_of_text_come_back_however_long_they_are_in_each_block(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    scorer = Scorer.load(make_bundle(ids=IdsConfig(ad="VARCHAR")))
    given = [
        replace(FIRST, ad_id=np.array([b"b", b"a"])),
        replace(SECOND, ad_id=np.array(["é-long".encode()])),
    ]
    publish_ads(scorer, given, tmp_path / "ads")
    found = open_ads(tmp_path / "ads", scorer.info)
    assert id_list(found.ad_id) == ["b", "a", "é-long"]
    assert [id_list(own.ad_id) for own in found.subset(np.array([1, 2])).blocks] == [["a"], ["é-long"]]


def renew_manifest(directory: Path) -> None:
    (directory / "manifest.json").unlink()
    write_json(directory / "manifest.json", {"files": file_digests(directory), "output": "ads"})


def test_ads_of_another_bundle_or_format_are_refused_naming_both(
    scorer: Scorer, published: Path, make_bundle: Callable[..., Path]
) -> None:
    with pytest.raises(BundleError, match=rf"'{A}', 'format': 4.*, but queries .* '{B}'"):
        open_ads(published, Scorer.load(make_bundle(B)).info)
    write_json(published / "ads.json", read_json(published / "ads.json") | {"format": 9})
    renew_manifest(published)
    with pytest.raises(BundleError, match=r"'format': 9.* publish the ads again"):
        open_ads(published, scorer.info)


@pytest.mark.parametrize("name", ["ads.json", "standard.arrow", "manifest.json"])
@pytest.mark.parametrize("is_there", [True, False])
def test_damage_to_any_file_is_noticed_and_mended(
    scorer: Scorer, published: Path, name: str, is_there: bool
) -> None:
    content = bytearray((published / name).read_bytes())
    content[len(content) // 2] ^= 4
    (published / name).write_bytes(content) if is_there else (published / name).unlink()
    with pytest.raises(BundleError, match=r"ads are not there, or not as their manifest says; publish again"):
        open_ads(published, scorer.info)
    assert not publish_ads(scorer, [FIRST], published)
    assert open_ads(published, scorer.info).ad_id.tolist() == [7, 3]


def test_int8_is_nearest_to_float32_and_without_scales_is_refused(scorer: Scorer, tmp_path: Path) -> None:
    publish_ads(scorer, [FIRST, THIRD], tmp_path / "ads", int8=True)
    for block in open_ads(tmp_path / "ads", scorer.info).blocks:
        for task, own in block.int8.items():
            assert (np.abs(own.numbers).max(axis=0) == 127).all()
            step = own.scale[:, None]
            assert (np.abs(own.numbers.T * step - block.tasks[task]) <= 0.501 * step).all()
    path = tmp_path / "ads" / "shopping.arrow"
    (columns,), texts = map_batches(path)
    without = {name: values.copy() for name, values in columns.items() if name != "scale.ctr"}
    with ColumnWriter(path, texts) as writer:
        writer.write(without)
    renew_manifest(tmp_path / "ads")
    with pytest.raises(BundleError, match=r"shopping\.arrow lacks int8 or scales .* publish the ads again"):
        open_ads(tmp_path / "ads", scorer.info)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (ads("shopping", [5, 6], [[1, 2], [1, np.inf]]), "ad 6 has a ctr embedding beyond ±65504, of 1 such"),
        (ads("standard", [5], [[1, -40000.0]]), "ad 5 has a octr embedding"),
        (ads("shopping", [4], [[1, 1]], bid=np.nan), "ad 4 has a bid that is not between 0 and 1e"),
        (ads("shopping", [b"seven"], [[1, 1]], bid=-1), "ad seven has a bid"),
    ],
)
def test_an_ad_that_cannot_be_ranked_is_named_and_nothing_is_left(
    scorer: Scorer, tmp_path: Path, bad: EncodedAds, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        publish_ads(scorer, [FIRST, bad], tmp_path / "ads")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("threads", "count"), [(1, BATCH + 1), (2, 2 * BLOCK + BATCH + 3)])
def test_every_ad_has_the_embedding_that_its_tower_gives(
    scorer: Scorer, tmp_path: Path, count: int, threads: int
) -> None:
    rng = np.random.default_rng(0)
    given = [
        ads(product, [3 * n for n in range(rows)], rng.normal(size=(rows, 2)))
        for product, rows in (("standard", count), ("shopping", 5))
    ]
    publish_ads(scorer, given, tmp_path / "ads", threads)
    found = open_ads(tmp_path / "ads", scorer.info)
    ctr = np.concatenate([block.tasks["ctr"] for block in found.blocks])
    np.testing.assert_array_equal(ctr, np.concatenate([own.rows.continuous for own in given]))
    octr = np.concatenate([block.tasks["octr"] for block in found.blocks if "octr" in block.tasks])
    np.testing.assert_array_equal(octr, 2 * given[0].rows.continuous)
    assert found.ad_id.tolist() == [3 * n for n in range(count)] + [0, 3, 6, 9, 12]
