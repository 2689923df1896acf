"""Checkpoints and weights: what was written, or a training that begins anew."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given
from torch import Tensor

from mtmd.config import Preset
from mtmd.model.build import build_model
from mtmd.train.checkpoints import (
    FILE,
    TrainingState,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from tests.fuzz.damage import Edit, damaged, edits, tears
from tests.fuzz.outcome import read_or_refused
from tests.train.test_checkpoints import WORSE, assert_same, trained


@dataclass(frozen=True)
class Known:
    """A checkpoint's file, and what it restores."""

    place: Path
    best: dict[str, Tensor]

    def load(self) -> tuple[TrainingState, dict[str, Tensor]] | None:
        return read_or_refused(lambda: load_checkpoint(self.place, "abc", *trained(1)))

    def check(self, found: tuple[TrainingState, dict[str, Tensor]] | None) -> None:
        if found is not None:
            assert found[0] == WORSE
            assert_same(found[1], self.best)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    place = tmp_path_factory.mktemp("fuzz")
    model, optimizer = trained(0)
    best = {name: value * 2 for name, value in model.state_dict().items()}
    save_checkpoint(place, WORSE, model, optimizer, best)
    return Known(place, best)


def with_header(content: bytes, edit: Edit) -> bytes:
    """A file of safetensors whose header, a JSON document after its length, was edited."""
    length = int.from_bytes(content[:8], "little")
    header = edit.done_to(json.loads(content[8 : 8 + length]))
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


@given(changes=tears)
def test_a_torn_checkpoint_is_not_gone_on_from(known: Known, changes: list) -> None:
    with damaged(known.place / FILE, changes):
        known.check(known.load())


@given(edit=edits)
def test_a_checkpoint_with_another_header_is_not_gone_on_from(known: Known, edit: Edit) -> None:
    path = known.place / FILE
    content = path.read_bytes()
    try:
        path.write_bytes(with_header(content, edit))
        known.check(known.load())
    finally:
        path.write_bytes(content)


@pytest.fixture(scope="module")
def weights(tiny_preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    with torch.random.fork_rng(devices=[]):
        save_weights(build_model("pooled", tiny_preset), path)
    return path


@given(changes=tears)
def test_torn_weights_are_read_or_refused_in_our_words(
    weights: Path, tiny_preset: Preset, changes: list
) -> None:
    """Which bytes they must be is said by the manifest beside them, and compared before they are read."""
    with torch.random.fork_rng(devices=[]), damaged(weights, changes):
        read_or_refused(lambda: load_weights("pooled", tiny_preset, weights))


@given(edit=edits)
def test_weights_with_another_header_are_read_or_refused_in_our_words(
    weights: Path, tiny_preset: Preset, edit: Edit
) -> None:
    content = weights.read_bytes()
    try:
        weights.write_bytes(with_header(content, edit))
        with torch.random.fork_rng(devices=[]):
            read_or_refused(lambda: load_weights("pooled", tiny_preset, weights))
    finally:
        weights.write_bytes(content)
