"""`split`: a submodel is what its own rows alone would train, and the dot product of all of them is served."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from mtmd.config import Preset
from mtmd.model.batch import Batch
from mtmd.model.ranker import build_model, make_network, pair_logits, tree_log_probability
from mtmd.model.split import By
from mtmd.model.split.network import Split, restricted
from tests.model.listed import listed_preset
from tests.model.random_batches import random_batch
from tests.model.test_architectures import assert_exported_alike
from tests.model.test_mmoe_dcn import SIZES
from tests.model.test_rankers import masked_loss
from tests.train.windows import with_model

MMOE = {"architecture": "mmoe_dcn"} | SIZES
PLAIN = {"architecture": "plain", "widths": [8], "embedding": 4}
BOTH = pytest.mark.parametrize("by", ["product", "surface"])


def split(preset: Preset, by: By, each: dict[str, Any] = MMOE) -> Split:
    model = build_model("split", with_model(preset, "split", by=by, each=each))
    assert isinstance(model, Split)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.observe(window(preset))
    return model.eval()


def window(preset: Preset) -> Batch:
    return random_batch(preset.declarations, (20, 20, 20), (30, 30), seed=4)


@BOTH
def test_a_submodels_gradient_comes_from_its_own_rows_alone(tiny_preset: Preset, by: By) -> None:
    model, batch = split(tiny_preset, by), random_batch(tiny_preset.declarations, (20, 20, 20), (30, 30))
    own = batch.pair_domain % 2 if by == "product" else batch.pair_domain // 2
    for place in range(len(model.submodels)):
        model.zero_grad()
        mine = replace(batch, teacher=batch.teacher.where((own == place)[:, None], torch.nan))
        masked_loss(model(batch), mine).backward()
        moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum()}
        assert moved
        assert all(name.startswith(f"submodels.{place}.") for name in moved)


def test_a_submodel_is_the_architecture_trained_on_its_own_rows_alone(tiny_preset: Preset) -> None:
    """The second product's, which lacks a task and fields of the first."""
    model, whole = split(tiny_preset, "product"), tiny_preset.declarations
    declarations = restricted(whole, "item", "shopping")
    assert declarations.domains.task_names == ("ctr", "gctr")

    def own_rows(batch: Batch) -> Batch:
        part = batch.only(torch.nonzero(batch.pair_domain % 2 == 1).squeeze(1))
        item = replace(part.item, counts=(len(part.item.continuous),))
        return replace(part, item=item, pair_domain=part.pair_domain // 2, teacher=part.teacher[:, :2])

    alone = make_network(declarations, with_model(tiny_preset, "mmoe_dcn", **SIZES).model)
    parameters = dict(model.submodels[1].named_parameters())
    alone.load_state_dict(parameters, strict=False)  # without statistics, which it observes
    names = {field.name for field in alone.item.adaptation.layout.fields}  # type: ignore[union-attr]
    assert {"price", "category"} < names
    assert not {"landing_quality", "creative_style"} & names
    alone.observe(own_rows(window(tiny_preset)))
    batch = random_batch(whole, (20, 20, 20), (30, 30))
    expected = alone.eval()(own_rows(batch))
    torch.testing.assert_close(model(batch)[batch.pair_domain % 2 == 1, :2], expected)


@BOTH
@pytest.mark.parametrize("each", [MMOE, PLAIN], ids=["mmoe_dcn", "plain"])
def test_scores_are_dot_products_of_embeddings_with_zeros_for_other_submodels(
    tiny_preset: Preset, by: By, each: dict[str, Any]
) -> None:
    model, batch = split(tiny_preset, by, each), random_batch(tiny_preset.declarations)
    queries, items = model.embed_queries(batch.query), model.embed_items(batch.item)
    pairs = batch.pair_query, batch.pair_item, model.widths
    logits = pair_logits(torch.cat(queries, 1), torch.cat(items, 1), *pairs)
    known = ~batch.teacher.isnan()
    expected = tree_log_probability(logits, tiny_preset.domains.parents)[known]
    torch.testing.assert_close(model(batch)[known], expected, atol=1e-5, rtol=1e-5)
    submodels = 2 if by == "product" else 3
    rows, own = (items[0], batch.item.domain) if by == "product" else (queries[0], batch.query.domain)
    filled = rows.view(len(rows), submodels, -1).abs().sum(2) > 0
    assert torch.equal(filled, own[:, None] == torch.arange(submodels))


@BOTH
def test_the_export_modules_equal_the_model(tiny_preset: Preset, by: By) -> None:
    assert_exported_alike(split(tiny_preset, by), tiny_preset)
    assert_exported_alike(split(listed_preset(), by, PLAIN), listed_preset())


@BOTH
def test_each_submodel_starts_at_the_base_rates_of_its_domains(tiny_preset: Preset, by: By) -> None:
    model = build_model("split", with_model(tiny_preset, "split", by=by, each=PLAIN))
    rates = (
        torch.tensor([[0.1, 0.05, 0.02], [0.4, 0.04, torch.nan]])
        * torch.tensor([1.0, 0.5, 2.0])[:, None, None]
    )
    model.initialise_bias(rates.flatten(0, 1))
    batch = random_batch(tiny_preset.declarations, (20, 20, 20), (30, 30))
    log_p = model(batch)
    for domain, rate in enumerate(rates.flatten(0, 1)):
        assert (log_p[batch.pair_domain == domain].mean(0) - rate.log())[:2].abs().max() < 0.4


@pytest.mark.parametrize("inner", ["per_slice", "split"])
def test_a_submodel_is_one_network_that_may_go_live(tiny_preset: Preset, inner: str) -> None:
    each: dict[str, Any] = {"architecture": inner} | ({"each": PLAIN} if inner == "split" else {})
    with pytest.raises(
        ValidationError, match=rf"model.each.architecture \('{inner}'\) must be of one network"
    ):
        with_model(tiny_preset, "split", each=each)


def test_a_domain_without_a_shallow_feature_is_an_error(tiny_preset: Preset) -> None:
    values = tiny_preset.model_dump()
    for feature in values["features"]:
        if feature["name"] in {"format", "goal"}:
            feature["domains"] = ["standard"]
    with pytest.raises(ValidationError, match="product 'shopping' has no shallow feature, which the shallow"):
        Preset.model_validate(values | {"model": {"architecture": "split"}})


def test_submodels_have_the_norms_of_the_table_around_them(tiny_preset: Preset) -> None:
    preset = with_model(tiny_preset, "split", norm_min_rows=7, each=PLAIN)
    assert preset.model.model_dump()["each"]["norm_min_rows"] == 7
