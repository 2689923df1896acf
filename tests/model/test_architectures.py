"""What every architecture that may go live promises: its embeddings are its scores, and its parts for export are it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from mtmd.config import Preset
from mtmd.config.model import ModelSettings, architecture, architectures
from mtmd.model.batch import ListInput
from mtmd.model.ranker import TwoTower, build_model, pair_logits, tree_log_probability
from tests.model.listed import listed_preset
from tests.model.random_batches import random_batch, random_side
from tests.train.windows import RandomWindow, with_model

SERVED = [name for name in architectures() if architecture(name).servable]
COUNTS = (9, 7, 8), (6, 5)


def preset_of(name: str) -> Preset:
    """Lists of every kind; the sizes of tiny where it is tiny's own architecture, else the usual ones."""
    preset = listed_preset()
    return preset if preset.candidate == name else with_model(preset, name, norm_min_rows=4)


def moved(preset: Preset) -> TwoTower:
    """Statistics and weights of no special case."""
    model = build_model(preset.candidate, preset)
    assert isinstance(model, TwoTower)
    for batch in RandomWindow(preset.declarations).training:
        model.observe(batch)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return model.eval()


@pytest.mark.parametrize("name", SERVED)
def test_scores_are_dot_products_of_embeddings_along_the_task_tree(name: str) -> None:
    preset = preset_of(name)
    model, batch = moved(preset), random_batch(preset.declarations, *COUNTS)
    with torch.no_grad():
        queries, items = model.embed_queries(batch.query), model.embed_items(batch.item)
        sides = [torch.cat(parts, dim=1) for parts in (queries, items)]
        logits = pair_logits(*sides, batch.pair_query, batch.pair_item, model.widths)
        found, expected = tree_log_probability(logits, model.parents), model(batch)
    applies = ~batch.teacher.isnan()
    assert [part.shape[1] for part in queries] == [part.shape[1] for part in items] == list(model.widths)
    torch.testing.assert_close(found[applies], expected[applies], atol=1e-5, rtol=1e-5)


def modules(model: TwoTower, preset: Preset) -> Iterator[tuple[str, int, nn.Module]]:
    for side, make in (("query", model.query_module), ("item", model.item_module)):
        for domain in range(len(getattr(preset.declarations, side).domains)):
            yield side, domain, make(domain)


@pytest.mark.parametrize("name", SERVED)
def test_what_is_exported_of_a_domain_embeds_its_rows_as_the_model_does(name: str) -> None:
    preset = preset_of(name)
    assert_exported_alike(moved(preset), preset)


def assert_exported_alike(model: TwoTower, preset: Preset) -> None:
    """In double precision, where the order of a sum does not show."""
    model = model.eval().double()
    for side, domain, module in modules(model, preset):
        schema = getattr(preset.declarations, side)
        counts = tuple(9 if place == domain else 0 for place in range(len(schema.domains)))
        rows = random_side(schema, counts, torch.Generator().manual_seed(5))
        rows = replace(rows, continuous=rows.continuous.double(), embedding=rows.embedding.double())
        embed = model.embed_queries if side == "query" else model.embed_items
        with torch.no_grad():
            own = module(rows.continuous, rows.categorical, rows.embedding, *padded(rows.lists))
            expected = embed(rows)
        assert not module.training
        for ours, theirs in zip(own, expected, strict=True):
            torch.testing.assert_close(ours.float(), theirs.float(), atol=1e-6, rtol=1e-6)


def padded(lists: tuple[ListInput, ...]) -> list[Tensor]:
    """The inputs of a served tower, one row longer than the longest list of the batch."""
    inputs = []
    for one in lists:
        filled = torch.arange(int(one.lengths.max()) + 1) < one.lengths[:, None]
        inputs.append(one.ids.new_zeros(filled.shape).masked_scatter(filled, one.ids))
    return inputs


@pytest.mark.parametrize("name", SERVED)
def test_domains_of_a_tower_that_are_traced_once_differ_in_their_tensors_alone(name: str) -> None:
    """So the graph of one is that of the others; a table may have any number of rows."""
    preset = preset_of(name)
    model = moved(preset)

    def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
        tensors: dict[str, Tensor] = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        return {key: tuple(one.shape[".tables." in f".{key}" :]) for key, one in tensors.items()}

    for side in ("query", "item"):
        own = [module for where, _, module in modules(model, preset) if where == side]
        alike = [one for one in own if getattr(one, "tasks", None) == getattr(own[0], "tasks", None)]
        assert all(shapes(one) == shapes(alike[0]) for one in alike)


@pytest.mark.parametrize("name", architectures())
def test_settings_name_their_architecture_and_have_a_label(name: str) -> None:
    settings = architecture(name)
    assert issubclass(settings, ModelSettings)
    assert settings.model_fields["architecture"].default == name
    assert settings.label
