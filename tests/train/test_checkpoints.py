from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mtmd.config import Preset
from mtmd.errors import StorageError, TrainingError
from mtmd.model.ranker import build_model
from mtmd.train.results import (
    FILE,
    EpochRecord,
    TrainingState,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_tensors,
)
from tests.model.random_batches import random_batch
from tests.small_disk import small_disk
from tests.train.windows import assert_same

EPOCH = EpochRecord(
    train_loss=0.1 + 0.2, validation_loss=1 / 3, validation_logmae={"ctr": 0.7}, seconds=1.5, rows=123
)
STATE = TrainingState(key="abc", epochs=(EPOCH,))
WORSE = TrainingState(key="abc", epochs=(EPOCH, EPOCH))  # no better than the first


def trained(seed: int, width: int = 3) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A linear layer after two AdamW steps, with one parameter that never had a gradient."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.ParameterDict({"w": torch.randn(width, 2), "unused": torch.randn(1), "b": torch.randn(2)})
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        for _ in range(2):
            optimizer.zero_grad()
            (torch.randn(4, width) @ model["w"] + model["b"]).square().sum().backward()
            optimizer.step()
    return model, optimizer


def flat(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{index}/{name}": value for index, slots in state.items() for name, value in slots.items()}


def flipped(content: bytes, place: int) -> bytes:
    """With one bit changed."""
    changed = bytearray(content)
    changed[place] ^= 1
    return bytes(changed)


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    model, optimizer = trained(0)
    best = {name: value * 2 for name, value in model.state_dict().items()}
    save_checkpoint(tmp_path / "work", WORSE, model, optimizer, best)
    other, other_optimizer = trained(1)
    restored = load_checkpoint(tmp_path / "work", "abc", other, other_optimizer)
    assert restored is not None
    assert restored[0] == WORSE
    assert_same(restored[1], best)
    assert_same(dict(other.state_dict()), dict(model.state_dict()))
    assert_same(flat(other_optimizer), flat(optimizer))
    assert len(flat(optimizer)) == 2 * 3  # step and two moments of w and b; none of what had no gradient


def test_a_checkpoint_of_another_training_is_refused_before_anything_changes(tmp_path: Path) -> None:
    for seed in (2, 0):  # the next one replaces it
        model, optimizer = trained(seed)
        save_checkpoint(tmp_path, STATE, model, optimizer, dict(model.state_dict()))
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    other, other_optimizer = trained(1)
    with pytest.raises(TrainingError, match="is of training abc, not xyz; remove"):
        load_checkpoint(tmp_path, "xyz", other, other_optimizer)
    assert_same(dict(other.state_dict()), dict(trained(1)[0].state_dict()))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"no tensors here",
        lambda content: b"\x80\x04K\x01.",
        lambda content: content[:-8],
        *(partial(flipped, place=place) for place in (-1, -30, 90)),
    ],
)
def test_a_damaged_checkpoint_is_not_gone_on_from(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    model, optimizer = trained(0)
    save_checkpoint(tmp_path, STATE, model, optimizer, dict(model.state_dict()))
    (tmp_path / FILE).write_bytes(damage((tmp_path / FILE).read_bytes()))
    model, optimizer = trained(1)
    assert load_checkpoint(tmp_path, "abc", model, optimizer) is None
    assert f"the training begins anew, because checkpoint {tmp_path / FILE} can't be used" in caplog.text
    untouched, its_optimizer = trained(1)
    assert_same(dict(model.state_dict()), dict(untouched.state_dict()))
    assert_same(flat(optimizer), flat(its_optimizer))


def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    model, optimizer = trained(1)
    large = {"large": torch.zeros(1 << 18)}
    with small_disk(tmp_path / "disk", 512) as disk:
        save_checkpoint(disk, STATE, model, optimizer, {})
        before = (disk / FILE).read_bytes()
        with pytest.raises(
            StorageError, match=rf"^{disk / FILE} can't be written \(No space left on device\)"
        ):
            save_checkpoint(disk, WORSE, model, optimizer, large)
        assert [path.name for path in disk.iterdir()] == [FILE]
        assert (disk / FILE).read_bytes() == before


@pytest.mark.parametrize("kind", ["mtmd", "per_slice", "pooled"])
def test_a_loaded_model_scores_the_same_bits(kind: str, tiny_preset: Preset, tmp_path: Path) -> None:
    model = build_model(kind, tiny_preset)
    batch = random_batch(tiny_preset.declarations)
    with torch.no_grad():
        model.observe(batch)  # the statistics of features are weights too
        expected = model.eval()(batch)
        save_tensors(model.state_dict(), tmp_path / "weights.safetensors")
        loaded = load_weights(kind, tiny_preset, tmp_path / "weights.safetensors")
        assert not loaded.training
        assert torch.equal(loaded(batch), expected)
    for content in (b"\x80\x04K\x01.", None):
        path = tmp_path / "weights.safetensors"
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(TrainingError, match="train again"):
            load_weights(kind, tiny_preset, path)
