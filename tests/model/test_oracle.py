"""The fast model against the plain one, for every switch: same weights, numbers and gradients; and as exported."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mtmd.config import Preset
from mtmd.model.batch import Batch
from mtmd.model.domain_tower import DomainTowers
from mtmd.model.mtmd import Settings
from mtmd.model.mtmd.network import MTMD
from mtmd.model.mtmd.served import DomainModule
from tests.model.listed import listed_preset
from tests.model.oracle import Oracle, Pairs, Read, copy_weights, paired_parameters
from tests.model.random_batches import random_batch
from tests.model.test_architectures import assert_exported_alike

SWITCHES = [
    {},
    {"norm": "post"},
    {"norm": "none"},
    {"composition": "sum"},
    {"cross_layers": 0},
    {"norm": "post", "composition": "sum", "cross_layers": 1},
    {"norm": "none", "expert_widths": [8], "shallow_widths": [4], "router_widths": [4]},
    {"norm": "post", "expert_widths": [8], "shallow_widths": [4]},
    {"adaptation": "shared"},
    {"routing": False},
    {"task_shared_expert": False},
    {"domain_shared_expert": False},
    {"task_shared_expert": False, "domain_shared_expert": False, "composition": "sum"},
    {"shallow_expert": False},
    {"emb_deep": 6, "cross_layers": 4, "cross_rank": 2},
]
every_switch = pytest.mark.parametrize(
    "changes", SWITCHES, ids=lambda c: ",".join(f"{k}={v}" for k, v in c.items()) or "paper"
)


def both(preset: Preset, changes: dict[str, object]) -> tuple[MTMD, Oracle]:
    """Two models with the same weights, none of them at a special value such as 0."""
    config = Settings.model_validate(preset.model.model_dump() | changes)
    torch.manual_seed(2)  # with some, a gradient is a sum that nearly cancels, and rounding is most of it
    fast = MTMD(preset.declarations, config)
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    plain = Oracle(preset.declarations, config)
    copy_weights(fast, plain)
    return fast, plain


def loss(log_p: Tensor, batch: Batch) -> Tensor:
    known = ~batch.teacher.isnan()
    return -(torch.where(known, batch.teacher, 0.0) * log_p).sum()


def assert_close(actual: Tensor, expected: Tensor, name: str) -> None:
    scale = float(expected.abs().max()) + 1e-2  # gradients of single numbers are sums that nearly cancel
    torch.testing.assert_close(
        actual / scale, expected / scale, atol=2e-5, rtol=1e-3, msg=lambda m: f"{name}: {m}"
    )


@every_switch
def test_forward_and_gradients_agree_with_the_plain_model(
    tiny_preset: Preset, changes: dict[str, object]
) -> None:
    check_agreement(tiny_preset, changes)


@pytest.mark.parametrize("changes", [{}, {"adaptation": "shared"}], ids=["paper", "shared"])
def test_lists_and_shared_tables_agree_with_the_plain_model(changes: dict[str, object]) -> None:
    check_agreement(listed_preset(), changes)


@every_switch
def test_the_export_modules_equal_the_towers(tiny_preset: Preset, changes: dict[str, object]) -> None:
    fast, _ = both(tiny_preset, changes)
    fast.observe(random_batch(tiny_preset.declarations, query_counts=(20, 20, 20), seed=7))
    assert_exported_alike(fast, tiny_preset)


def test_the_export_module_holds_only_its_domains_weights(tiny_preset: Preset) -> None:
    tower = both(tiny_preset, {})[0].query
    module = DomainModule(tower, 1)
    own = {id(p) for p in module.parameters()}
    others = (tower.adaptation.domains[0], *tower.experts)
    assert not own & {id(p) for other in others for p in other.parameters()}
    expert = sum(p.numel() for p in tower.experts[1].parameters())
    assert sum(p.numel() for p in module.expert.parameters()) == expert


def check_agreement(preset: Preset, changes: dict[str, object]) -> None:
    fast, plain = both(preset, changes)
    assert_agree(preset, fast, plain, lambda read: paired_parameters(fast, plain, read))


def assert_agree(preset: Preset, fast: DomainTowers, plain: Oracle, pairs: Callable[[Read], Pairs]) -> None:
    """Same statistics, forward passes and gradients of models with the same weights."""
    paired = list(pairs(lambda parameter: parameter.detach()))
    assert sum(own.numel() for own, _ in paired) == sum(own.numel() for own in fast.parameters())
    assert {id(other) for _, other in paired} == {id(parameter) for parameter in plain.parameters()}
    counts = ((9, 2, 7), (12, 1, 3))  # the second domain is below norm_min_rows
    batches = [
        random_batch(preset.declarations, query_counts=own, seed=seed) for seed, own in enumerate(counts)
    ]
    for batch in batches:
        fast.observe(batch)
        plain.observe(batch)
    for batch in batches:
        fast.zero_grad()
        plain.zero_grad()
        expected, actual = plain(batch), fast(batch)
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)
        loss(expected, batch).backward()
        loss(actual, batch).backward()
        names = {id(parameter): name for name, parameter in plain.named_parameters()}
        for own, other in pairs(gradient):
            assert_close(own, gradient(other), names[id(other)])
    fast.eval()
    plain.eval()
    with torch.no_grad():
        torch.testing.assert_close(fast(batch), plain(batch), atol=1e-4, rtol=1e-4)


def gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
