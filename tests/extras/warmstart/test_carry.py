"""Weights that are carried by feature and id: a model of the same features in another order computes the same."""

from dataclasses import replace

import pytest
import torch

from mtmd.config import Declarations, Preset, SideSchema
from mtmd.extras.warmstart.carry import carry, features_changed, learned
from mtmd.features import Feature, feature
from mtmd.model.batch import Batch, SideInput
from mtmd.model.build import build_model
from mtmd.model.two_tower import MTMD
from tests.model.listed import listed_preset
from tests.model.random_batches import random_batch
from tests.train.windows import with_training


def _model(preset: Preset, seed: int, batch: Batch) -> MTMD:
    """Of other weights than another seed's in every parameter, with the statistics of a batch."""
    model = build_model("mtmd", with_training(preset, seed=seed))
    assert isinstance(model, MTMD)
    model.observe(batch)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def carried(model: MTMD, old: Declarations, target: MTMD, new: Declarations) -> tuple[str, ...]:
    return carry(model.state_dict(), learned(model, old), target.state_dict(), learned(target, new))


def _with(preset: Preset, features: tuple[Feature, ...]) -> Preset:
    return Preset.model_validate(preset.model_dump() | {"features": [f.model_dump() for f in features]})


def _reordered(side: SideInput, old: SideSchema, new: SideSchema) -> SideInput:
    """The same rows with columns in another order."""
    vectors = dict(
        zip(
            [f.name for f in old.embedding],
            torch.split(side.embedding, [f.width for f in old.embedding], 1),
            strict=True,
        )
    )

    def places(then: tuple[Feature, ...], now: tuple[Feature, ...]) -> list[int]:
        names = [feature.name for feature in then]
        return [names.index(feature.name) for feature in now]

    return replace(
        side,
        continuous=side.continuous[:, places(old.continuous, new.continuous)],
        categorical=side.categorical[:, places(old.categorical, new.categorical)],
        embedding=torch.cat([side.embedding[:, :0], *(vectors[f.name] for f in new.embedding)], dim=1),
        lists=tuple(side.lists[place] for place in places(old.lists, new.lists)),
    )


def _batch_for(batch: Batch, old: Declarations, new: Declarations) -> Batch:
    return replace(
        batch,
        query=_reordered(batch.query, old.query, new.query),
        item=_reordered(batch.item, old.item, new.item),
    )


@pytest.mark.parametrize("lists", [False, True], ids=["plain", "lists"])
def test_the_same_features_in_another_order_give_the_same_model(tiny_preset: Preset, lists: bool) -> None:
    """Columns, rows of tables, gates and lists all move; only a model that follows each of them agrees."""
    preset = listed_preset() if lists else tiny_preset
    turned = _with(preset, tuple(reversed(preset.features)))
    old, new = preset.declarations, turned.declarations
    batch = random_batch(old)
    other = _batch_for(batch, old, new)
    model, target = _model(preset, 1, batch), _model(turned, 2, other)
    assert not torch.allclose(target(other), model(batch), rtol=1e-3, atol=1e-3)
    assert carried(model, old, target, new) == ()
    assert torch.allclose(target(other), model(batch), rtol=1e-5, atol=1e-5)


def test_two_lists_of_one_side_may_share_a_table(tiny_preset: Preset) -> None:
    """Both read the table of `ad_id`, which comes before that of `country`: each goes by its own feature."""
    lists = tuple(
        feature(
            name=name, side="query", kind="multivalued", type="BIGINT", buckets=2000,
            max_length=5, table="ad_id",
        )
        for name in ("clicked_ads", "hidden_ads")
    )  # fmt: skip
    preset = _with(tiny_preset, (*tiny_preset.features, *lists))
    declarations = preset.declarations
    batch = random_batch(declarations)
    model, target = _model(preset, 1, batch), _model(preset, 2, batch)
    assert carried(model, declarations, target, declarations) == ()
    stored, after = model.state_dict(), target.state_dict()
    assert [name for name, tensor in stored.items() if not torch.equal(after[name], tensor)] == []


def test_a_new_feature_starts_anew_and_the_others_go_on(tiny_preset: Preset) -> None:
    added = feature(name="mood", side="query", kind="continuous")
    more = _with(tiny_preset, (added, *tiny_preset.features))
    old, new = tiny_preset.declarations, more.declarations
    assert features_changed(old, new) == (("mood",), ())
    model, target = _model(tiny_preset, 1, random_batch(old)), _model(more, 2, random_batch(new))
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    missing = carried(model, old, target, new)
    # The continuous feature comes first of all columns, of the query tower alone.
    stored, after = model.state_dict(), target.state_dict()
    first = "query.experts.0.experts.weights.0"
    assert torch.equal(after[first][:, 0], before[first][:, 0])
    assert torch.equal(after[first][:, 1:], stored[first])
    assert torch.equal(
        after["query.adaptation.domains.1.gain"][1:], stored["query.adaptation.domains.1.gain"]
    )
    assert torch.equal(after["query.adaptation.tables.tables.0"], stored["query.adaptation.tables.tables.0"])
    assert torch.equal(after["query.bias"], stored["query.bias"])
    assert first in missing
    assert all(name.startswith("query.") for name in missing)
    assert {name.split(".")[1] for name in missing} == {"adaptation", "experts", "shared"}


def test_a_table_of_other_buckets_starts_anew_and_its_neighbours_go_on(tiny_preset: Preset) -> None:
    """Ids are hashed into the buckets: a row of another number of buckets is another value's."""
    changed = tuple(
        feature.model_copy(update={"buckets": 1000}) if feature.name == "user_id" else feature
        for feature in tiny_preset.features
    )
    other = _with(tiny_preset, changed)
    old, new = tiny_preset.declarations, other.declarations
    assert features_changed(old, new) == (("user_id",), ("user_id",))
    model, target = _model(tiny_preset, 1, random_batch(old)), _model(other, 2, random_batch(new))
    before = target.state_dict()["query.adaptation.tables.tables.0"].clone()
    carried(model, old, target, new)
    stored, after = (m.state_dict()["query.adaptation.tables.tables.0"] for m in (model, target))
    # user_id is the first of the table: 2001 rows then, 1001 now.
    assert torch.equal(after[:1001], before[:1001])
    assert torch.equal(after[1001:], stored[2001:])


def test_a_feature_that_reads_a_changed_features_table_starts_anew_too() -> None:
    """The table's rows go by the feature that has it: the other one's embeddings are new, and so must be what read
    them.
    """
    preset = listed_preset()
    changed = tuple(
        feature.model_copy(update={"domains": ("standard",)}) if feature.name == "ad_id" else feature
        for feature in preset.features
    )
    other = _with(preset, changed)
    old, new = preset.declarations, other.declarations
    assert features_changed(old, new) == (("recent_ads", "ad_id"), ("recent_ads", "ad_id"))
    model, target = _model(preset, 1, random_batch(old)), _model(other, 2, random_batch(new))
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    carried(model, old, target, new)
    after = target.state_dict()
    assert isinstance(target, MTMD)
    first = [table.features[0].name for table in target.query.adaptation.layout.tables]
    attention = f"query.adaptation.tables.pooling.{first.index('recent_ads')}.attention.weight"
    assert torch.equal(after[attention], before[attention])


def test_running_statistics_of_batches_go_on(tiny_preset: Preset) -> None:
    """Training brings them: a domain without a row in the newest days would read its numbers as they are."""
    changed = tiny_preset.model_copy(
        update={"model": tiny_preset.model.model_copy(update={"statistics": "batch"})}
    )
    turned = _with(changed, tuple(reversed(changed.features)))
    old, new = changed.declarations, turned.declarations
    batch = random_batch(old)
    other = _batch_for(batch, old, new)
    model, target = _model(changed, 1, batch), _model(turned, 2, other)
    model.train()(batch)  # takes its rows in
    assert carried(model, old, target, new) == ()
    assert torch.allclose(target(other), model.eval()(batch), rtol=1e-5, atol=1e-5)


def test_statistics_of_a_window_are_its_own(tiny_preset: Preset) -> None:
    """Norms and counts of values are observed anew; all else of a model's state has a place."""
    model = build_model("mtmd", listed_preset())
    assert isinstance(model, MTMD)
    state, known = model.state_dict(), {p.name for p in learned(model, listed_preset().declarations).values()}
    left = {name for name, tensor in state.items() if name not in known and tensor.numel()}
    assert left
    assert all(".norm." in name or name.endswith(".seen") for name in left)
    assert features_changed(listed_preset().declarations, listed_preset().declarations) == ((), ())
    relaxed = tuple(
        f.model_copy(update={"min_count": None, "dropout": None}) for f in listed_preset().features
    )
    assert features_changed(listed_preset().declarations, _with(listed_preset(), relaxed).declarations) == (
        (),
        (),
    )
