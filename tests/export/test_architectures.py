"""Architectures from the preset to the exported files; a new one is a folder and its name."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

import mtmd.model
from mtmd.config import Preset, variant
from mtmd.config.model import architecture, architectures
from mtmd.export.bundle import export_bundle
from mtmd.export.parity import check_parity
from mtmd.train.trainer import fit
from tests.export.conftest import Exported, seen_model
from tests.train.windows import RandomWindow, with_model, with_rival, with_training

TOY = {
    "__init__.py": '''
"""A toy: a matrix product of the numbers."""

from typing import ClassVar, Literal

from mtmd.config.model import ModelSettings, Width


class Settings(ModelSettings):
    """Its size."""

    label: ClassVar[str] = "the toy"
    architecture: Literal["toy"] = "toy"
    width: Width = 4
''',
    "network.py": '''
"""Each tower multiplies its numbers with a matrix; an ad's other columns are not read."""

import torch
from torch import nn

from mtmd.model.ranker import TwoTower, pair_logits, tree_log_probability


class Tower(nn.Module):
    def __init__(self, numbers, tasks, width):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(numbers, tasks * width) * 0.1)
        self.tasks_there = tasks

    def forward(self, continuous, categorical, embedding, *lists):
        numbers = torch.nan_to_num(torch.cat([continuous, embedding], dim=1))
        return torch.chunk(torch.tanh(numbers @ self.weight), self.tasks_there, dim=1)


class Toy(TwoTower):
    def __init__(self, declarations, settings):
        super().__init__()
        domains, tasks = declarations.domains, len(declarations.domains.tasks)
        self.parents, self.widths = domains.parents, (settings.width,) * tasks
        for side in (declarations.query, declarations.item):
            self.add_module(side.side, Tower(len(side.continuous) + side.vector_width, tasks, settings.width))

    def forward(self, batch):
        sides = torch.cat(self.embed_queries(batch.query), 1), torch.cat(self.embed_items(batch.item), 1)
        logits = pair_logits(*sides, batch.pair_query, batch.pair_item, self.widths)
        return tree_log_probability(logits, self.parents)

    def observe(self, batch):
        pass

    def initialise_bias(self, base_rates):
        pass

    def embed_queries(self, side):
        return self.query(side.continuous, side.categorical, side.embedding)

    def embed_items(self, side):
        return self.item(side.continuous, side.categorical, side.embedding)

    def query_module(self, surface):
        return self.query

    def item_module(self, product):
        return self.item


Network = Toy
''',
    "variants.toml": """
[narrow]
factor = "width"
patch.model.width = 1
""",
}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An architecture whose folder is below another directory, as if that were in mtmd/model."""
    place = tmp_path / "toy"
    place.mkdir()
    for name, text in TOY.items():
        (place / name).write_text(text)
    monkeypatch.setattr(mtmd.model, "__path__", [*mtmd.model.__path__, str(tmp_path)])
    monkeypatch.setattr(mtmd.model, "ARCHITECTURES", (*mtmd.model.ARCHITECTURES, "toy"))
    yield "toy"
    for name in [name for name in sys.modules if name.startswith("mtmd.model.toy")]:
        del sys.modules[name]


def assert_exported(preset: Preset, exported: Exported, directory: Path) -> None:
    """The files compute what the trained model does, and say what they are."""
    model = seen_model(preset, exported.shard)
    directory.mkdir()
    info = export_bundle(model, preset, directory)
    assert check_parity(model, directory, exported.shard, preset).passed
    for one in info.files:
        meta = ort.InferenceSession(directory / one.file).get_modelmeta().custom_metadata_map
        assert meta["kind"] == preset.candidate


@pytest.mark.parametrize(
    "name", [one for one in architectures() if one != "mtmd" and architecture(one).servable]
)
def test_every_architecture_is_exported_as_it_is_trained(
    exported: Exported, small_preset: Preset, tmp_path: Path, name: str
) -> None:
    assert_exported(with_model(small_preset, name, norm_min_rows=4), exported, tmp_path / "bundle")


def test_a_new_one_is_a_folder_and_its_name_and_is_trained_compared_and_exported(
    toy: str, exported: Exported, small_preset: Preset, tiny_preset: Preset, tmp_path: Path
) -> None:
    preset = with_rival(with_model(tiny_preset, toy, width=3), "wide", architecture=toy, width=8)
    assert Preset.model_validate(preset.model_dump()) == preset
    assert variant("narrow", toy).of(preset).model.width == 1
    quick = with_training(preset, epochs=1, precision="float32")
    for kind, width in (("toy", 3), ("wide", 8)):
        model: Any
        model, result = fit(kind, RandomWindow(quick.declarations, 2), quick, tmp_path / kind)
        assert model.widths == (width,) * 3
        assert result.epochs[0].validation_loss > 0
    assert_exported(with_model(small_preset, toy), exported, tmp_path / "bundle")
