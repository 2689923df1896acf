"""Approximate top-k against the exact one; small whole numbers, whose products have no rounding, make ties certain."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtmd.config import Declarations
from mtmd.errors import BundleError, ConfigError, MtmdError, StorageError
from mtmd.serve.ann import AdIndex
from mtmd.serve.published import AdBlock, PublishedAds
from mtmd.serve.scorer import Embeddings
from mtmd.serve.search import Ranking, TopAds, by_task, by_utility, search
from mtmd.store.files import sha256_file

pytest.importorskip("usearch", reason="usearch is not installed: the extra `ann`")

A, B = "a" * 64, "b" * 64
Matrices = Mapping[str, np.ndarray]


def queries(rng: np.random.Generator, count: int = 4, width: int = 8, bundle_id: str = A) -> Embeddings:
    """Whose last number, a bias as the ads' last is 1, makes what happens rare, as in the logs."""
    tasks = {task: rng.normal(size=(count, width)).astype(np.float32) for task in ("ctr", "octr")}
    for own in tasks.values():
        own[:, -1] = -6.0
    return Embeddings(bundle_id, "query", np.zeros(count, np.int64), tasks)


def published(rng: np.random.Generator, *blocks: tuple[str, int], width: int = 8) -> PublishedAds:
    """Ads of each block's product, whose ids are 10,000 less their place; `shopping` has no octr."""
    made, place = [], 0
    for product, count in blocks:
        names = ("ctr", "octr") if product == "standard" else ("ctr",)
        tasks = {name: rng.normal(size=(count, width)).astype(np.float32) for name in names}
        for own in tasks.values():
            own[:, -1] = 1.0
        ids, bid = 10_000 - np.arange(place, place + count), np.exp(rng.normal(size=count)).astype(np.float32)
        made.append(AdBlock(product, ids, tasks, bid, rng.integers(0, 99, (count, 2))))
        place += count
    return PublishedAds(A, tuple(made))


@pytest.fixture
def ads() -> PublishedAds:
    """In four blocks of two products."""
    rng = np.random.default_rng(0)
    return published(rng, ("standard", 300), ("standard", 100), ("shopping", 150), ("standard", 50))


@pytest.fixture
def asked() -> Embeddings:
    return queries(np.random.default_rng(1))


def same(found: TopAds, exact: TopAds) -> None:
    assert found.row.tolist() == exact.row.tolist()
    assert found.ad_id.tolist() == exact.ad_id.tolist()
    np.testing.assert_allclose(found.score, exact.score, rtol=1e-5)


RANKINGS: dict[str, Callable[[Declarations], Ranking]] = {
    "a root": lambda own: by_task(own.domains, "ctr"),
    "a chain that a product lacks": lambda own: by_task(own.domains, "octr"),
    "a utility": lambda own: by_utility(own.domains, {"ctr": 1.0, "octr": 2.0}),
}


@pytest.mark.parametrize("precision", [np.float32, np.float16])
@pytest.mark.parametrize("ranked_by", RANKINGS)
def test_graphs_that_are_asked_for_everything_find_what_the_exact_search_finds(
    declarations: Declarations, ads: PublishedAds, asked: Embeddings, ranked_by: str, precision: type
) -> None:
    blocks = [
        replace(own, tasks={task: matrix.astype(precision) for task, matrix in own.tasks.items()})
        for own in ads.blocks
    ]
    ads, ranking = PublishedAds(A, tuple(blocks)), RANKINGS[ranked_by](declarations)
    same(AdIndex.build(ads).find(asked, ranking, 20, width=len(ads)), search(asked, ads, ranking, 20))


@pytest.mark.parametrize("ranked_by", RANKINGS)
def test_most_of_the_best_are_found_among_a_few(declarations: Declarations, ranked_by: str) -> None:
    """The logits of a chain have nothing to do with each other here, so its best are far down the graph of each."""
    rng = np.random.default_rng(2)
    ads, asked = published(rng, ("standard", 1500), ("shopping", 1000)), queries(rng, 50)
    ranking = RANKINGS[ranked_by](declarations)
    found = AdIndex.build(ads).find(asked, ranking, 10, width=150)
    exact = search(asked, ads, ranking, 10)
    assert found.row.shape == exact.row.shape
    shared = [np.isin(best, own).mean() for best, own in zip(exact.row, found.row, strict=True)]
    assert np.mean(shared) > 0.8


def test_high_bids_are_found_where_the_ranking_reads_bids(declarations: Declarations) -> None:
    """The best by utility are not among the nearest by logit: one bid in twenty is a hundred times the others."""
    rng = np.random.default_rng(3)
    (block,) = published(rng, ("shopping", 2000)).blocks
    bid = np.where(np.arange(2000) % 20 == 0, 100.0, 1.0).astype(np.float32)
    ads, asked = PublishedAds(A, (replace(block, bid=bid),)), queries(rng, 20)
    index, ranking = AdIndex.build(ads), by_utility(declarations.domains, {"ctr": 1.0})
    exact = search(asked, ads, ranking, 10).row
    assert (bid[exact] == 100).mean() > 0.9
    shared = [
        [np.isin(best, own).mean() for best, own in zip(exact, found.row, strict=True)]
        for found in (
            index.find(asked, ranking, 10),
            index.find(asked, replace(ranking, bids=False), 10),
        )
    ]
    assert np.mean(shared[0]) > 0.9
    assert np.mean(shared[1]) < 0.5


@pytest.mark.parametrize("bid", [0.0, 2.0])
def test_bids_that_are_all_equal_or_0_are_no_obstacle(declarations: Declarations, bid: float) -> None:
    rng = np.random.default_rng(4)
    (block,) = published(rng, ("shopping", 200)).blocks
    ads, asked = PublishedAds(A, (replace(block, bid=np.full(200, bid, np.float32)),)), queries(rng)
    index = AdIndex.build(ads)
    ranking = by_task(declarations.domains, "ctr")
    same(
        index.find(asked.part(slice(1)), ranking, 5, width=200), search(asked.part(slice(1)), ads, ranking, 5)
    )
    utility = by_utility(declarations.domains, {"ctr": 1.0})
    np.testing.assert_allclose(
        index.find(asked, utility, 5, width=200).score, search(asked, ads, utility, 5).score, rtol=1e-5
    )


def test_equal_scores_are_in_the_order_of_the_ads(declarations: Declarations) -> None:
    """Nine kinds of ads, a hundred of each."""
    rng = np.random.default_rng(5)
    kinds = np.array([[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1)], np.float32)
    matrix = kinds[rng.integers(0, 9, 900)]
    block = AdBlock(
        "shopping", np.arange(900), {"ctr": matrix}, np.ones(900, np.float32), np.zeros((900, 2), int)
    )
    ads, ranking = PublishedAds(A, (block,)), by_task(declarations.domains, "ctr")
    asked = Embeddings(A, "query", np.zeros(2, int), {"ctr": np.array([[1, 1], [-1, 0]], np.float32)})
    same(AdIndex.build(ads).find(asked, ranking, 900), search(asked, ads, ranking, 900))


def test_a_query_that_finds_too_few_is_searched_exactly(
    declarations: Declarations, ads: PublishedAds, asked: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, ranking = AdIndex.build(ads), by_task(declarations.domains, "ctr")
    monkeypatch.setattr("mtmd.serve.graph.Graph.nearest", lambda *_, **__: [np.array([7])] * len(asked))
    same(index.find(asked, ranking, 3), search(asked, ads, ranking, 3))
    assert index.find(asked, ranking, 1).row.tolist() == [[7]] * len(asked)


def test_no_ads_and_no_queries_give_empty_answers(
    declarations: Declarations, ads: PublishedAds, asked: Embeddings
) -> None:
    ranking = by_task(declarations.domains, "ctr")
    assert AdIndex.build(PublishedAds(A, ())).find(asked, ranking, 3).row.shape == (4, 0)
    assert AdIndex.build(ads).find(asked.part(slice(0)), ranking, 3).row.shape == (0, 3)


# ---- on disk


def test_a_saved_index_finds_the_same_and_equal_ads_make_equal_files(
    declarations: Declarations, ads: PublishedAds, asked: Embeddings, tmp_path: Path
) -> None:
    built, ranking = AdIndex.build(ads), by_utility(declarations.domains, {"octr": 1.0})
    built.save(tmp_path / "one")
    AdIndex.build(ads).save(tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["index.json", "shopping.ctr.usearch", "standard.ctr.usearch", "standard.octr.usearch"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    mapped = AdIndex.open(tmp_path / "one", ads)
    assert mapped.find(asked, ranking, 20).row.tolist() == built.find(asked, ranking, 20).row.tolist()
    with pytest.raises(StorageError, match="one exists; save under a new name"):
        built.save(tmp_path / "one")


@pytest.mark.parametrize("change", ["bundle", "order", "features", "bids"])
def test_an_index_of_other_ads_is_refused(ads: PublishedAds, tmp_path: Path, change: str) -> None:
    AdIndex.build(ads).save(tmp_path / "index")
    first, *others = ads.blocks
    other = {
        "bundle": PublishedAds(B, ads.blocks),
        "order": PublishedAds(A, (replace(first, ad_id=first.ad_id[::-1].copy()), *others)),
        "features": PublishedAds(A, (replace(first, features=first.features + 1), *others)),
        "bids": PublishedAds(A, (replace(first, bid=first.bid + 1), *others)),
    }[change]
    with pytest.raises(BundleError, match=r"is of ads [0-9a-f]{64}, the published ads are [0-9a-f]{64}"):
        AdIndex.open(tmp_path / "index", other)


def _remove(path: Path) -> None:
    (path / "standard.octr.usearch").unlink()


def _alter(path: Path) -> None:
    own = path / "standard.octr.usearch"
    content = bytearray(own.read_bytes())
    content[-1] ^= 1
    own.write_bytes(content)


def _replace(path: Path) -> None:
    """By something else, whose digest is in `index.json`."""
    (path / "standard.octr.usearch").write_text("something else")
    info = json.loads((path / "index.json").read_text())
    for own in info["files"]:
        own["sha256"] = sha256_file(path / own["file"])
    (path / "index.json").write_text(json.dumps(info))


def _other_format(path: Path) -> None:
    info = json.loads((path / "index.json").read_text())
    (path / "index.json").write_text(json.dumps(info | {"format": 99}))


def _no_json(path: Path) -> None:
    (path / "index.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_remove, "octr.usearch is missing"),
        (_alter, "octr.usearch has sha256 .* it was altered"),
        (_replace, "octr.usearch cannot be mapped; build the index again: "),
        (_other_format, "has format 99; this version reads 1"),
        (_no_json, "cannot be read; build it again"),
    ],
)
def test_a_damaged_index_is_refused(
    ads: PublishedAds, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    AdIndex.build(ads).save(tmp_path / "index")
    damage(tmp_path / "index")
    with pytest.raises(BundleError, match=message):
        AdIndex.open(tmp_path / "index", ads)


# ---- what is refused


def test_what_does_not_belong_together_is_refused(
    declarations: Declarations, ads: PublishedAds, asked: Embeddings
) -> None:
    index, ranking = AdIndex.build(ads), by_task(declarations.domains, "ctr")
    with pytest.raises(BundleError, match=f"bundle {B}, the published ads with bundle {A}"):
        index.find(replace(asked, bundle_id=B), ranking, 1)
    with pytest.raises(ConfigError, match=r"k \(0\)"):
        index.find(asked, ranking, 0)
    with pytest.raises(ConfigError, match=r"k \(5\) must be at least 1, and width \(4\) at least k"):
        index.find(asked, ranking, 5, width=4)
    with pytest.raises(ConfigError, match=r"threads \(0\)"):
        AdIndex.build(ads, threads=0)


def test_without_usearch_the_command_that_installs_it_is_named(
    ads: PublishedAds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(MtmdError, match=r"usearch, which is not installed: pip install -e '\.\[ann\]'"):
        AdIndex.build(ads)


def test_serving_does_not_import_usearch() -> None:
    program = "import sys, mtmd.serve; assert not {'usearch', 'numkong'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
