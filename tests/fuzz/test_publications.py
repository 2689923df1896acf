"""Published ads and the pointer to them: what was written, or refused."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from mtmd.registry.bundle import BundleInfo, load_bundle
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.published import PublishedAds, open_ads
from mtmd.store.columns import map_batches
from tests.fuzz.damage import Damage, damaged, edits, tears
from tests.fuzz.outcome import read_or_refused
from tests.serve.conftest import MakeBundle, declarations, make_bundle
from tests.serve.http.conftest import Line

__all__ = ["declarations", "make_bundle"]
MODEL = "model-0"


@dataclass(frozen=True)
class Known:
    """A line with one publication, and what is in it."""

    catalogue: Catalogue
    current: Current
    info: BundleInfo
    ads: PublishedAds

    @property
    def directory(self) -> Path:
        return self.catalogue.path(MODEL, self.current.name)

    def read(self) -> PublishedAds:
        return open_ads(self.directory, self.info)


@pytest.fixture(scope="module")
def known(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Known:
    line = Line(tmp_path_factory.mktemp("fuzz") / "line", make_bundle)
    line.promote(0)
    catalogue = Catalogue(line.root)
    current, info = catalogue.require_current(MODEL), load_bundle(line.registry.path(MODEL))
    return Known(catalogue, current, info, open_ads(catalogue.path(MODEL, current.name), info))


def same(one: PublishedAds, other: PublishedAds) -> bool:
    return [block.product for block in one.blocks] == [block.product for block in other.blocks] and all(
        np.array_equal(found, expected)
        for block, own in zip(one.blocks, other.blocks, strict=True)
        for found, expected in (
            (block.ad_id, own.ad_id),
            (block.bid, own.bid),
            *((block.tasks[task], own.tasks[task]) for task in own.tasks),
        )
    )


@given(damage=tears | edits)
def test_a_damaged_pointer_is_refused(known: Known, damage: Damage) -> None:
    path = known.catalogue.root / MODEL / "current.json"
    with damaged(path, damage):
        assert read_or_refused(lambda: known.catalogue.current(MODEL)) in (None, known.current)
        assert known.catalogue.known(MODEL) in (None, known.current)


@given(damage=tears | edits)
def test_a_damaged_list_of_files_is_refused(known: Known, damage: Damage) -> None:
    with damaged(known.directory / "ads.json", damage):
        found = read_or_refused(known.read)
    assert found is None or same(found, known.ads)


@given(changes=tears)
def test_damaged_embeddings_are_refused(known: Known, changes: Damage) -> None:
    with damaged(known.directory / "standard.arrow", changes):
        found = read_or_refused(known.read)
        read_or_refused(lambda: map_batches(known.directory / "standard.arrow"))
    assert found is None or same(found, known.ads)


@given(edit=edits)
@pytest.mark.parametrize("name", ["current.json", "ads.json"])
def test_what_somebody_wrote_on_purpose_is_read_or_refused_in_our_words(
    known: Known, name: str, edit: Damage
) -> None:
    path = (known.directory if name == "ads.json" else known.directory.parent) / name
    with damaged(path, edit, seal=True):
        read_or_refused(lambda: open_ads(known.catalogue.path(MODEL, known.current.name), known.info))
        read_or_refused(lambda: known.catalogue.require_current(MODEL))
