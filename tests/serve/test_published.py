from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mtmd.config import IdsConfig
from mtmd.errors import BundleError, StorageError
from mtmd.logs.contract import id_list
from mtmd.logs.encoding import EncodedAds, EncodedSide
from mtmd.registry.bundle import BundleInfo, load_bundle
from mtmd.serve.published import BATCH, BLOCK, AdBlock, open_ads, publish_ads, write_ads
from mtmd.serve.scorer import Scorer
from mtmd.store.files import read_json, sha256_file, write_json

A, B = "a" * 64, "b" * 64


def block(product: str, ids: list[int], **tasks: list[list[float]]) -> AdBlock:
    matrices = {task: np.array(values, np.float32) for task, values in tasks.items()}
    key = np.array(ids, np.int64)
    return AdBlock(product, key, matrices, key.astype(np.float32) / 2)


FIRST = block("standard", [7, 3], ctr=[[1, 2], [3, 4.1]], octr=[[5, 6], [7, 8]])
SECOND = block("standard", [9], ctr=[[0, 1]], octr=[[2, 3]])
THIRD = block("shopping", [4], ctr=[[9, 9]])


@pytest.fixture
def info(bundle: Path) -> BundleInfo:
    return load_bundle(bundle)


@pytest.fixture
def published(info: BundleInfo, tmp_path: Path) -> Path:
    assert write_ads(info, [THIRD, FIRST, SECOND], tmp_path / "ads") == 4
    return tmp_path / "ads"


def test_ads_come_back_product_by_product_as_they_were_written(info: BundleInfo, published: Path) -> None:
    ads = open_ads(published, info)
    assert (ads.bundle_id, ads.ad_id.tolist(), ads.starts.tolist()) == (A, [7, 3, 9, 4], [0, 2, 3, 4])
    for own, written in zip(ads.blocks, (FIRST, SECOND, THIRD), strict=True):
        assert (own.product, own.tasks.keys()) == (written.product, written.tasks.keys())
        np.testing.assert_array_equal(own.bid, written.bid)
        for task, values in written.tasks.items():
            assert own.tasks[task].dtype == np.float32
            np.testing.assert_array_equal(own.tasks[task], values)


def test_any_reader_of_arrow_files_can_read_the_vectors(published: Path) -> None:
    rows = pa.ipc.open_file(published / "shopping.arrow").read_all().to_pylist()
    assert rows == [{"ad_id": 4, "bid": 2.0, "embedding.ctr": [9.0, 9.0]}]


def test_some_ads_keep_their_order_and_neighbouring_blocks_of_a_product_become_one(
    info: BundleInfo, published: Path
) -> None:
    ads = open_ads(published, info)
    some = ads.subset(np.array([1, 2, 3]))
    assert [(own.product, own.ad_id.tolist(), own.bid.tolist()) for own in some.blocks] == [
        ("standard", [3, 9], [1.5, 4.5]),
        ("shopping", [4], [2.0]),
    ]
    assert some.blocks[0].tasks["octr"].tolist() == [[7, 8], [2, 3]]
    assert ads.subset(np.empty(0, np.int64)).blocks == ()
    rows, missing = ads.find(np.array([4, 5, 7, 4]))
    assert (rows.tolist(), missing.tolist()) == ([0, 3], [5])


def test_ids_of_text_come_back_however_long_they_are_in_each_block(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    info = load_bundle(make_bundle(ids=IdsConfig(ad="VARCHAR")))
    given = [
        replace(FIRST, ad_id=np.array([b"b", b"a"])),
        replace(SECOND, ad_id=np.array(["é-long".encode()])),
    ]
    write_ads(info, given, tmp_path / "ads")
    ads = open_ads(tmp_path / "ads", info)
    assert id_list(ads.ad_id) == ["b", "a", "é-long"]
    assert [id_list(own.ad_id) for own in ads.subset(np.array([1, 2])).blocks] == [["a", "é-long"]]
    wrong = replace(SECOND, ad_id=np.array([b"seven"]), bid=np.array([-1], np.float32))
    with pytest.raises(BundleError, match=r"ad seven has a bid that is not between 0 and 1e"):
        write_ads(info, [wrong], tmp_path / "wrong")


def test_ads_of_another_bundle_or_format_are_refused_naming_both(
    info: BundleInfo, published: Path, make_bundle: Callable[..., Path]
) -> None:
    with pytest.raises(BundleError, match=f"of format 4 and bundle {A}, but queries will .* bundle {B}"):
        open_ads(published, load_bundle(make_bundle(B)))
    path = published / "ads.json"
    write_json(path, read_json(path) | {"format": 9}, seal=True)
    with pytest.raises(BundleError, match=r"of format 9 .* publish the ads again"):
        open_ads(published, info)


@pytest.mark.parametrize("name", ["ads.json", "standard.arrow"])
def test_a_bit_that_flipped_in_any_file_is_noticed(info: BundleInfo, published: Path, name: str) -> None:
    content = bytearray((published / name).read_bytes())
    content[len(content) // 2] ^= 4
    (published / name).write_bytes(content)
    with pytest.raises(BundleError, match=r"altered|cannot be read"):
        open_ads(published, info)


def test_what_is_missing_or_malformed_is_named(info: BundleInfo, published: Path) -> None:
    path, listed = published / "standard.arrow", published / "ads.json"
    path.write_bytes(path.read_bytes()[:100])
    content = read_json(listed)
    half = content | {"files": content["files"] | {"standard": sha256_file(path)}}
    for change, message in ((half, r"standard\.arrow cannot be mapped"), ({"files": 3}, "cannot be read")):
        write_json(listed, content | change, seal=True)
        with pytest.raises(BundleError, match=message):
            open_ads(published, info)
    write_json(listed, content, seal=True)
    path.unlink()
    with pytest.raises(BundleError, match=r"cannot be mapped; publish again: .*No such file"):
        open_ads(published, info)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (block("standard", [1], ctr=[[1, 2]]), r"shapes \{'ctr': \(1, 2\)\} and 1 bids; bundle a+ has"),
        (block("shopping", [1], ctr=[[1, 2, 3]]), r"shapes \{'ctr': \(1, 3\)\}"),
        (block("shopping", [1, 2], ctr=[[1, 2]]), "shapes"),
        (replace(THIRD, bid=THIRD.bid[:0]), "0 bids"),
        (block("video", [1], ctr=[[1, 2]]), "item domain 'video' is not in bundle"),
        (block("shopping", [5, 6], ctr=[[1, 2], [1, np.nan]]), "ad 6 has a ctr embedding beyond ±65504"),
        (block("shopping", [5, 6], ctr=[[np.inf, 2], [1, 0]]), "ad 5 has a ctr embedding"),
        (block("shopping", [5], ctr=[[1, -65520.0]]), "ad 5 has a ctr embedding"),
        (replace(THIRD, bid=np.array([np.nan], np.float32)), "ad 4 has a bid that is not between 0 and 1e"),
    ],
)
def test_a_block_that_is_not_the_bundles_is_refused_and_nothing_is_left(
    info: BundleInfo, tmp_path: Path, bad: AdBlock, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        write_ads(info, [FIRST, bad], tmp_path / "ads")
    assert list(tmp_path.iterdir()) == []


def test_a_publication_is_never_replaced(info: BundleInfo, published: Path) -> None:
    with pytest.raises(StorageError, match="ads exists; publish under a new name"):
        write_ads(info, [FIRST], published)


# ---- embedding -----------------------------------------------------------------------------------


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
