"""`mmoe_dcn` against a plain model, module by module: same weights, same numbers, same gradients; and as exported."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mtmd.config import Preset
from mtmd.model.mmoe_dcn import Settings
from mtmd.model.mmoe_dcn.network import MMoEDCN, Tower
from tests.model.listed import listed_preset
from tests.model.oracle import (
    Oracle,
    Pairs,
    PlainCross,
    PlainNetwork,
    PlainTowerOracle,
    Read,
    copy_weights,
    network_pairs,
    paired_parameters,
)
from tests.model.test_architectures import assert_exported_alike
from tests.model.test_oracle import assert_agree

SIZES: dict[str, Any] = {
    "experts": 3,
    "expert_widths": [12, 8, 6],
    "gate_widths": [5],
    "shallow_widths": [4],
    "cross_rank": 4,
    "norm_min_rows": 4,
    "emb_deep": {"ctr": 8, "gctr": 4, "octr": 4},
}
SWITCHES: list[dict[str, Any]] = [
    {},
    {"full_cross_layers": 1, "cross_layers": 2},
    {"full_cross_layers": 2, "cross_layers": 0, "norm": "post"},
    {"norm": "none", "expert_widths": [8, 6], "cross_layers": 0},
    {"adaptation": "shared", "shallow_expert": False},
    {"experts": 1, "emb_deep": 5},
]


class PlainExpert(nn.Module):
    """An MLP beside cross layers, and one more layer that reads both."""

    def __init__(self, width: int, config: Settings) -> None:
        super().__init__()
        *hidden, last = config.expert_widths
        self.norm = nn.LayerNorm(width, elementwise_affine=False) if config.norm == "pre" else nn.Identity()
        self.full = nn.ModuleList(nn.Linear(width, width) for _ in range(config.full_cross_layers))
        self.low = PlainCross(width, config)
        self.mlp = PlainNetwork(width, hidden, config)
        self.last = PlainNetwork(width + hidden[-1], [last], config)

    def forward(self, x: Tensor) -> Tensor:
        start = crossed = self.norm(x)
        for layer in self.full:
            crossed = start * layer(crossed) + crossed
        for down, up in zip(self.low.down, self.low.up, strict=True):
            crossed = start * up(down(crossed)) + crossed
        result: Tensor = self.last(torch.cat([crossed, self.mlp(x)], dim=1))
        return result


class PlainExperts(nn.ModuleList):
    """All experts of a tower, one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) → (N, E, H)"""
        return torch.stack([expert(x) for expert in self], dim=1)


class PlainGates(nn.Module):
    """What a domain has of its own; `heads` of its tasks are the tower's."""

    def __init__(self, width: int, shallow_width: int, heads: Sequence[nn.Linear], config: Settings) -> None:
        super().__init__()
        self.normed, self.heads = config.norm != "none", nn.ModuleList(heads)
        gate = (*config.gate_widths, config.experts)
        self.gates = nn.ModuleList(PlainNetwork(width, gate, config, last_linear=True) for _ in heads)
        self.shallow = nn.ModuleList(
            PlainNetwork(shallow_width, config.shallow_widths, config) for _ in heads if config.shallow_expert
        )

    def forward(self, x: Tensor, shallow: Tensor, outputs: Tensor) -> list[Tensor]:
        """outputs (N, E, H) → per task, emb_deep and emb_shallow side by side."""
        embeddings = []
        for t, (gate, head) in enumerate(zip(self.gates, self.heads, strict=True)):
            weights = torch.softmax(gate(x), dim=1)
            rows = [
                sum(w * o for w, o in zip(*row, strict=True)) for row in zip(weights, outputs, strict=True)
            ]
            mixed = torch.stack(rows) if rows else outputs.new_zeros(0, outputs.shape[2])  # type: ignore[arg-type]
            if self.normed:
                mixed = nn.functional.layer_norm(mixed, mixed.shape[1:])
            embeddings.append(torch.cat([head(mixed), *(own(shallow) for own in self.shallow[t : t + 1])], 1))
        return embeddings


class PlainMMoETower(PlainTowerOracle):
    """The plain tower with shared experts and heads instead of Domain Experts."""

    def make_networks(self, width: int, shallow_width: int, deep_widths: Sequence[int], config: Any) -> None:
        self.shared = nn.ModuleList([PlainExperts(PlainExpert(width, config) for _ in range(config.experts))])
        self.heads = [nn.Linear(config.expert_widths[-1], deep) for deep in deep_widths]
        self.experts = nn.ModuleList(
            PlainGates(width, shallow_width, [self.heads[t] for t in own], config) for own in self.tasks
        )


def pairs_of(fast: Tower, plain: PlainMMoETower, columns: Tensor, shallow: Tensor, read: Read) -> Pairs:
    for e, expert in enumerate(plain.shared[0]):
        networks = fast.experts
        cross, ups = networks.cross, [*expert.full, *expert.low.up]
        for layer, down in enumerate(expert.low.down):
            yield read(cross.down[layer])[e][columns].T, down.weight
        for layer, up in enumerate(ups):
            weight = read(cross.up[layer])[e][:, columns]
            yield (weight[columns] if layer < len(expert.full) else weight).T, up.weight
            yield read(cross.biases[layer])[e, 0, columns], up.bias
        yield from network_pairs(networks.deep, e, expert.mlp, columns, read)
        inputs = networks.join.weights[0].shape[1]
        both = torch.cat([columns, torch.arange(len(columns), inputs)])
        yield from network_pairs(networks.join, e, expert.last, both, read)
    for head, linear in zip(fast.heads, plain.heads, strict=True):
        if any(linear in domain.heads for domain in plain.experts):
            yield read(head.weight), linear.weight
            yield read(head.bias), linear.bias
    yield from gate_pairs(fast, plain, columns, shallow, read)


def gate_pairs(fast: Tower, plain: PlainMMoETower, columns: Tensor, shallow: Tensor, read: Read) -> Pairs:
    for d, domain in enumerate(plain.experts):
        for t, gate in enumerate(domain.gates):
            yield from network_pairs(fast.gates[d], t, gate, columns, read)
        for t, own in enumerate(domain.shallow):
            yield from network_pairs(fast.shallow[d], t, own, shallow, read)


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_forward_and_gradients_agree_with_the_plain_model(
    tiny_preset: Preset, changes: dict[str, Any]
) -> None:
    check_agreement(tiny_preset, changes)


def test_lists_and_shared_tables_agree_with_the_plain_model() -> None:
    check_agreement(listed_preset(), {})


def check_agreement(preset: Preset, changes: dict[str, Any]) -> None:
    fast = some_model(preset, changes)
    plain = Oracle(preset.declarations, Settings.model_validate(SIZES | changes), PlainMMoETower)
    copy_weights(fast, plain, pairs_of)
    assert_agree(preset, fast, plain, lambda read: paired_parameters(fast, plain, read, pairs_of))


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_the_export_modules_equal_the_towers(tiny_preset: Preset, changes: dict[str, Any]) -> None:
    assert_exported_alike(some_model(tiny_preset, changes), tiny_preset)


def some_model(preset: Preset, changes: dict[str, Any]) -> MMoEDCN:
    """None of its weights is at a special value such as 0."""
    torch.manual_seed(2)
    model = MMoEDCN(preset.declarations, Settings.model_validate(SIZES | changes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model
