"""Whatever became of the registry's files, they are believed only where they say what was written."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given

from mtmd.config import Preset
from mtmd.registry.records import Champion, ChampionChange
from mtmd.registry.registry import Registry
from tests.fuzz.damage import Damage, Edit, edits, resealed, tears, torn
from tests.fuzz.outcome import read_or_refused
from tests.registry.conftest import fill_bundle, manifest_of


@dataclass(frozen=True)
class Known:
    """A registry with a pointer, a history of four changes and three models, and what its files have."""

    registry: Registry
    champion: Champion
    history: tuple[ChampionChange, ...]
    files: dict[Path, bytes]

    def __repr__(self) -> str:
        """Short: what a file has is of no help where an example fails."""
        return str(self.registry.root)

    def restore(self) -> None:
        """Only what an example may have changed: files take a while to open."""
        for path, content in self.files.items():
            if path.stat().st_size != len(content) or path.read_bytes() != content:
                path.write_bytes(content)

    def damage(self, name: str, damage: Damage, *, sealed: bool = False) -> None:
        """Another content for a file: torn, or a document with another value somewhere."""
        self.restore()
        path = self.registry.root / name
        content = self.files[path]
        damaged = damage.done_to(json.loads(content)) if isinstance(damage, Edit) else torn(content, damage)
        path.write_bytes(resealed(damaged) if sealed else damaged)


@pytest.fixture(scope="module")
def known(tiny_preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> Known:
    registry = Registry(tmp_path_factory.mktemp("fuzz") / "line")
    for number, name in enumerate("abc", start=5):
        manifest = manifest_of(name, number)
        registry.add(lambda place, name=name: fill_bundle(tiny_preset, place, name), manifest)
        registry.promote(name, manifest.as_of, f"because {name}", number - 5)
    registry.rollback("c was bad", lambda _: None)
    files = {path: path.read_bytes() for path in registry.root.rglob("*") if path.is_file()}
    return Known(registry, registry.require_champion(), registry.history(), files)


@given(damage=tears | edits)
def test_a_damaged_pointer_is_what_the_history_says(known: Known, damage: Damage) -> None:
    known.damage("champion.json", damage)
    assert known.registry.champion() == known.champion
    assert known.registry.history() == known.history


@given(damage=tears | edits)
@pytest.mark.parametrize("number", [2, 4])
def test_a_damaged_history_keeps_the_champion_and_lacks_one_change(
    known: Known, number: int, damage: Damage
) -> None:
    known.damage(f"history/{number:08d}.json", damage)
    assert known.registry.champion() == known.champion
    assert set(known.history) >= set(known.registry.history()) >= {known.history[0], known.champion.change}


@given(damage=tears | edits)
@pytest.mark.parametrize("name", ["manifest.json", "bundle.json"])
def test_a_damaged_model_is_refused(known: Known, name: str, damage: Damage) -> None:
    whole = known.registry.manifest("a") if not known.restore() else None
    known.damage(f"models/a/{name}", damage)
    found = read_or_refused(lambda: (known.registry.verify("a"), known.registry.manifest("a"))[1])
    assert found in (None, whole)


@given(damage=edits)
@pytest.mark.parametrize("name", ["champion.json", "models/a/manifest.json", "models/a/bundle.json"])
def test_what_somebody_wrote_on_purpose_is_read_or_refused_in_our_words(
    known: Known, name: str, damage: Damage
) -> None:
    known.damage(name, damage, sealed=True)
    read_or_refused(lambda: known.registry.verify("a"))
    read_or_refused(known.registry.champion)
    read_or_refused(known.registry.history)
    read_or_refused(known.registry.status)
    read_or_refused(lambda: known.registry.promote("a", known.history[0].as_of, "again", 4))
