"""Values that are taken from training rows: how many, of which features, and the same ones every time."""

from pathlib import Path

import pytest
import torch

from mtmd.config import Preset
from mtmd.train.dropout import with_dropped_values
from mtmd.train.results import Progress
from mtmd.train.trainer import fit
from tests.model.random_batches import random_batch
from tests.train.windows import RandomWindow

SHARE = 0.3


@pytest.fixture(scope="module")
def dropping(tiny_preset: Preset) -> Preset:
    """User and ad ids are dropped."""
    return with_ids(tiny_preset, min_count=1, dropout=SHARE)


def with_ids(preset: Preset, **keys: float | None) -> Preset:
    """The preset with other keys of user and ad ids."""
    features = [
        feature.model_dump() | (keys if feature.name in {"user_id", "ad_id"} else {})
        for feature in preset.features
    ]
    return Preset.model_validate(preset.model_dump() | {"features": features})


def test_a_share_of_the_values_of_these_features_is_missing_and_nothing_else(dropping: Preset) -> None:
    declarations = dropping.declarations
    before = random_batch(declarations, query_counts=(900, 500, 700), item_counts=(1100, 800))
    (after,) = with_dropped_values([before], declarations, seed=0, epoch=1)
    for schema, own, changed in (
        (declarations.query, before.query, after.query), (declarations.item, before.item, after.item),
    ):  # fmt: skip
        for column, feature in enumerate(schema.categorical):
            lost = (own.categorical[:, column] > 0) & (changed.categorical[:, column] == 0)
            kept = own.categorical[:, column] == changed.categorical[:, column]
            assert bool((lost | kept).all())
            share = float(lost.sum() / (own.categorical[:, column] > 0).sum())
            # Five standard errors of some 1,500 values.
            assert share == pytest.approx(
                SHARE if feature.dropout else 0.0, abs=0.06 if feature.dropout else 0.0
            )
        assert changed.continuous is own.continuous
        assert changed.embedding is own.embedding
        assert changed.lists is own.lists
    assert after.teacher is before.teacher


def test_seed_and_epoch_decide(dropping: Preset) -> None:
    batch = random_batch(dropping.declarations)

    def dropped(seed: int, epoch: int) -> list[list[int]]:
        first, second = with_dropped_values([batch, batch], dropping.declarations, seed, epoch)
        return [first.query.categorical.flatten().tolist(), second.query.categorical.flatten().tolist()]

    assert dropped(0, 1) == dropped(0, 1)
    assert len({str(dropped(*which)) for which in ((0, 1), (0, 2), (1, 1))}) == 3
    first, second = dropped(0, 1)
    assert first != second


def test_a_new_value_reads_what_was_learned_from_dropped_ones_and_a_killed_training_ends_alike(
    dropping: Preset, tmp_path: Path
) -> None:
    """No row of the window lacks its ids, so that without dropout the default of a missing one would stay 0."""
    data = RandomWindow(dropping.declarations)
    query, item = (
        [feature.name for feature in side.categorical].index(name)
        for side, name in ((dropping.declarations.query, "user_id"), (dropping.declarations.item, "ad_id"))
    )
    for batch in data.training:
        batch.query.categorical[:, query].clamp_(min=1)
        batch.item.categorical[:, item].clamp_(min=1)

    class StopError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.epoch == 2:
            raise StopError

    model, _ = fit("pooled", data, dropping, tmp_path / "undisturbed")
    with pytest.raises(StopError):
        fit("pooled", data, dropping, tmp_path / "killed", stop)
    again, _ = fit("pooled", data, dropping, tmp_path / "killed")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    plain = with_ids(dropping, dropout=None)
    without, _ = fit("pooled", data, plain, tmp_path / "plain")
    batch = random_batch(dropping.declarations)
    batch.query.categorical[:, query] = 0
    batch.item.categorical[:, item] = 0
    assert not torch.allclose(model(batch)[:, 0], without(batch)[:, 0])
