"""Registries with models that are bundles in name: the registry never runs a model."""

from collections.abc import Callable
from datetime import date
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.registry.bundle import BUNDLE_FORMAT, BundleInfo, TowerFile
from mtmd.registry.records import Champion, ModelManifest, Registered
from mtmd.registry.registry import Registry
from mtmd.store.files import sha256_file, write_json
from tests.serve.conftest import bundle, declarations, make_bundle

__all__ = ["bundle", "declarations", "make_bundle"]


def bundle_of(model_id: str) -> str:
    """Models with one letter are models of one content: "b2" is "b" under another id."""
    return sha256(model_id[0].encode()).hexdigest()


AddModel = Callable[[str, int], Registered]
Promote = Callable[[str, int], str]


def day(number: int) -> date:
    return date(2026, 1, number)


def trust(_: Path) -> None:
    """The models here are no real ones."""


def live(registry: Registry) -> str | None:
    champion = registry.champion()
    return champion.model_id if champion else None


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "artifacts" / "line")


def fill_bundle(preset: Preset, directory: Path, model_id: str = "a") -> None:
    """Fills a directory as export does, with files that are no real models."""
    files = []
    sides = (("query", preset.domains.surfaces), ("item", preset.domains.products))
    for side, names in sides:
        for name in names:
            path = directory / f"{side}_{name}.onnx"
            path.write_text(f"the {side} tower of {name}")
            files.append(TowerFile(side=side, domain=name, file=path.name, sha256=sha256_file(path)))
    info = BundleInfo(
        format=BUNDLE_FORMAT,
        bundle_id=bundle_of(model_id),
        weights="0" * 64,
        declarations=preset.declarations,
        widths={"ctr": 1, "gctr": 1, "octr": 1},
        files=tuple(files),
    )
    write_json(directory / "bundle.json", info.model_dump(mode="json"))
    write_json(directory / "metrics.json", {})


@pytest.fixture
def build(tiny_preset: Preset) -> Callable[..., None]:
    """`fill_bundle` for the tiny preset."""
    return partial(fill_bundle, tiny_preset)


def manifest_of(model_id: str, day: int) -> ModelManifest:
    return ModelManifest(
        model_id=model_id,
        as_of=date(2026, 1, day),
        bundle_id=bundle_of(model_id),
        window={date(2025, 12, 31): "f" * 64},
        git_commit=None,
        seeds={"training": 0},
        packages={"torch": "2.13"},
    )


@pytest.fixture
def add(registry: Registry, build: Callable[..., None]) -> AddModel:
    """`add("a", 5)`: register model a with as_of January 5th."""

    def register(model_id: str, day: int) -> Registered:
        return registry.add(partial(build, model_id=model_id), manifest_of(model_id, day))

    return register


@pytest.fixture
def promote(registry: Registry, add: AddModel) -> Promote:
    """`promote("a", 5)`: register and promote as the champion stands; returns the outcome."""

    def go(model_id: str, day: int) -> str:
        add(model_id, day)
        champion = registry.champion()
        sequence = champion.sequence if champion else 0
        return registry.promote(model_id, date(2026, 1, day), f"because {model_id}", sequence).outcome

    return go


@pytest.fixture
def taken_down(registry: Registry, promote: Promote) -> Champion:
    """a and b were promoted, and b was rolled back."""
    promote("a", 5)
    promote("b", 6)
    return registry.rollback("b was bad", trust)[1]
