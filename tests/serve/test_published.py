from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtmd.config import IdsConfig
from mtmd.errors import BundleError, StorageError
from mtmd.logs.ids import id_list
from mtmd.registry.bundle import BundleInfo, load_bundle
from mtmd.serve.published import AdBlock, open_ads, write_ads
from mtmd.store.files import read_json, write_json
from mtmd.store.sha256 import sha256_file

A, B = "a" * 64, "b" * 64


def block(product: str, ids: list[int], **tasks: list[list[float]]) -> AdBlock:
    matrices = {task: np.array(values, np.float32) for task, values in tasks.items()}
    key = np.array(ids, np.int64)
    return AdBlock(product, key, matrices, key.astype(np.float32) / 2, np.stack([key, -key], axis=1))


FIRST = block("standard", [7, 3], ctr=[[1, 2], [3, 4.1]], octr=[[5, 6], [7, 8]])
SECOND = block("standard", [9], ctr=[[0, 1]], octr=[[2, 3]])
THIRD = block("shopping", [4], ctr=[[9, 9]])


@pytest.fixture
def info(bundle: Path) -> BundleInfo:
    return load_bundle(bundle)


@pytest.fixture
def published(info: BundleInfo, tmp_path: Path) -> Path:
    write_ads(info, [THIRD, FIRST, SECOND], tmp_path / "ads")
    return tmp_path / "ads"


def test_ads_come_back_product_by_product_as_they_were_written(info: BundleInfo, published: Path) -> None:
    ads = open_ads(published, info)
    assert ads.bundle_id == A
    assert ads.ad_id.tolist() == [7, 3, 9, 4]
    assert [(own.product, len(own), set(own.tasks)) for own in ads.blocks] == [
        ("standard", 2, {"ctr", "octr"}),
        ("standard", 1, {"ctr", "octr"}),
        ("shopping", 1, {"ctr"}),
    ]
    for own, written in zip(ads.blocks, (FIRST, SECOND, THIRD), strict=True):
        np.testing.assert_array_equal(own.bid, written.bid)
        np.testing.assert_array_equal(own.features, written.features)
        for task, values in written.tasks.items():
            assert own.tasks[task].dtype == np.float32
            np.testing.assert_array_equal(own.tasks[task], values)


def test_some_ads_keep_their_order_and_neighbouring_blocks_of_a_product_become_one(
    info: BundleInfo, published: Path
) -> None:
    ads = open_ads(published, info)
    assert ads.starts.tolist() == [0, 2, 3, 4]
    some = ads.subset(np.array([1, 2, 3]))
    assert [(own.product, own.ad_id.tolist(), own.bid.tolist()) for own in some.blocks] == [
        ("standard", [3, 9], [1.5, 4.5]),
        ("shopping", [4], [2.0]),
    ]
    assert some.blocks[0].tasks["octr"].tolist() == [[7, 8], [2, 3]]
    assert some.blocks[0].features.tolist() == [[3, -3], [9, -9]]
    assert set(some.blocks[1].tasks) == {"ctr"}
    assert ads.subset(np.empty(0, np.int64)).blocks == ()


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
    with pytest.raises(BundleError, match=r"ad seven has bid -1\.0"):
        write_ads(info, [wrong], tmp_path / "wrong")


def test_ads_of_another_bundle_are_refused_naming_both(
    published: Path, make_bundle: Callable[..., Path]
) -> None:
    with pytest.raises(BundleError, match=f"bundle {A}, but queries will be with bundle {B}"):
        open_ads(published, load_bundle(make_bundle(B)))


def test_a_file_of_another_bundle_under_this_ones_name_is_refused(
    info: BundleInfo, published: Path, tmp_path: Path, make_bundle: Callable[..., Path]
) -> None:
    write_ads(load_bundle(make_bundle(B)), [FIRST], tmp_path / "other")
    file = published / "standard.arrow"
    file.write_bytes((tmp_path / "other" / "standard.arrow").read_bytes())
    with pytest.raises(BundleError, match=r"standard\.arrow has sha256"):
        open_ads(published, info)
    with_its_digest(published, file)
    with pytest.raises(BundleError, match=rf"standard\.arrow says .*{B}.*ads\.json wants .*{A}"):
        open_ads(published, info)


def with_its_digest(published: Path, file: Path) -> None:
    """`ads.json` says that the file is as it should be."""
    content = read_json(published / "ads.json")
    (entry,) = (entry for entry in content["files"] if entry["file"] == file.name)
    entry["sha256"] = sha256_file(file)
    write_json(published / "ads.json", content, seal=True)


def test_ads_in_the_place_of_another_publication_are_refused_naming_it(
    info: BundleInfo, published: Path
) -> None:
    moved = published.rename(published.with_name("newer"))
    with pytest.raises(
        BundleError, match=r"newer are those of ads, which were put in its place; publish again"
    ):
        open_ads(moved, info)


def test_a_missing_file_is_refused(info: BundleInfo, published: Path) -> None:
    (published / "shopping.arrow").unlink()
    with pytest.raises(BundleError, match=r"shopping\.arrow is missing"):
        open_ads(published, info)


def test_half_a_file_is_refused_with_its_digest_too(info: BundleInfo, published: Path) -> None:
    path = published / "standard.arrow"
    path.write_bytes(path.read_bytes()[:100])
    with_its_digest(published, path)
    with pytest.raises(BundleError, match=r"standard\.arrow cannot be mapped"):
        open_ads(published, info)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": 9}, "has format 9; this version reads 3"), ({"files": 3}, "cannot be read; publish again")],
)
def test_an_ads_json_that_does_not_fit_is_refused(
    info: BundleInfo, published: Path, change: dict[str, object], message: str
) -> None:
    path = published / "ads.json"
    write_json(path, read_json(path) | change, seal=True)
    with pytest.raises(BundleError, match=message):
        open_ads(published, info)


@pytest.mark.parametrize("name", ["ads.json", "standard.arrow"])
def test_a_bit_that_flipped_in_any_file_is_noticed(info: BundleInfo, published: Path, name: str) -> None:
    content = bytearray((published / name).read_bytes())
    content[len(content) // 2] ^= 4
    (published / name).write_bytes(content)
    with pytest.raises(BundleError, match="altered"):
        open_ads(published, info)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (block("standard", [1], ctr=[[1, 2]]), r"widths \{'ctr': 2\}; bundle a+ has \{'ctr': 2, 'octr': 2\}"),
        (block("shopping", [1], ctr=[[1, 2, 3]]), r"widths \{'ctr': 3\}"),
        (block("shopping", [1, 2], ctr=[[1, 2]]), "widths"),
        (block("video", [1], ctr=[[1, 2]]), "item domain 'video' is not in bundle"),
        (block("shopping", [5, 6], ctr=[[1, 2], [1, np.nan]]), "ad 6 has a ctr embedding with a number"),
        (block("shopping", [5, 6], ctr=[[np.inf, 2], [1, 0]]), "ad 5 has a ctr embedding with a number"),
        (block("shopping", [5], ctr=[[1, -65520.0]]), "ad 5 .* beyond ±65504"),
        (replace(THIRD, bid=np.array([np.nan], np.float32)), "ad 4 has bid nan; it must be between 0 and 1e"),
        (
            replace(THIRD, bid=np.array([-1], np.float32)),
            "ad 4 has bid -1.0; it must",
        ),
        (replace(THIRD, bid=THIRD.bid[:0]), "widths"),
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
