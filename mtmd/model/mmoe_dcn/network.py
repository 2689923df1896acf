"""MMoE with DCN experts: an own reading of what Pinterest reports as MTMD's successor.

The article ("GPU-Serving Two-Tower Models for Lightweight Ads Engagement Prediction", Pinterest Engineering,
2026-02-13) names a multi-gate mixture of experts without domain modules, full-rank and low-rank DCN layers in each
expert, and MLPs as gates. What follows is a **reading** of each.

z is the adapted row. Each expert e, and the gate of each domain d and task t, has weights of its own:

    o_e      = LeakyReLU(W_e [cross_e(z), mlp_e(z)] + b_e)      cross: full-rank layers, then low-rank ones
    g_{d,t}  = softmax(mlp_{d,t}(z))                            a weight for each expert
    emb_deep = head_t(Σ_e g_{d,t,e} o_e)                        one linear head for each task

- An expert is DCN v2's parallel structure: cross layers beside an MLP, and one more layer that reads both.
- Gates know a row's domain because each domain has its own. Experts and heads are shared by all domains.
- A row passes MTMD's adaptation before the experts, since domains have different fields. With
  `adaptation = "shared"` gates, shallow experts and biases are all that a domain has of its own.
- Shallow experts and biases are MTMD's. So are the norms; the mixture passes a LayerNorm where there are any.

Shapes: N rows, D adapted columns, E experts, H expert output width, T tasks of a domain.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from mtmd.config import Declarations
from mtmd.model.domain_tower import ROUTER_GAIN, SHALLOW_GAIN, DomainTower, DomainTowers, TowerPlan
from mtmd.model.layers import LowRankCross, Stack, normalise, projection
from mtmd.model.mmoe_dcn import Settings
from mtmd.model.served import ServedCross, ServedNetwork, ServedTower, served_networks


class Experts(nn.Module):
    """E experts side by side: every layer is one batched product over the rows of all domains."""

    def __init__(self, inputs: int, config: Settings) -> None:
        super().__init__()
        *hidden, last = config.expert_widths
        networks, norm, slope = config.experts, config.norm, config.leaky_slope
        self.norm = norm
        layers, full = config.cross_layers, config.full_cross_layers
        self.cross = LowRankCross(networks, inputs, layers, config.cross_rank, full)
        self.deep = Stack(networks, inputs, hidden, norm, slope)
        self.join = Stack(networks, inputs + hidden[-1], (last,), norm, slope)

    def forward(self, z: Tensor) -> Tensor:
        """(N, D) → (E, N, H)"""
        deep = self.deep(z)
        rows = z.to(deep.dtype).expand(len(deep), *z.shape)  # crosses in the precision of products
        both = torch.cat([self.cross(rows), deep], dim=2)
        joined: Tensor = self.join(normalise(both) if self.norm == "pre" else both)
        return joined


class Tower(DomainTower):
    """A tower whose domains share the experts and the heads."""

    def __init__(self, plan: TowerPlan, config: Settings) -> None:
        super().__init__(plan, config)
        norm, slope = config.norm, config.leaky_slope
        gate = (*config.gate_widths, config.experts)
        self.experts = Experts(self.width, config)
        self.gates = nn.ModuleList(
            Stack(len(tasks), self.width, gate, norm, slope, activate_last=False, last_gain=ROUTER_GAIN)
            for tasks in plan.tasks
        )
        self.heads = nn.ModuleList(projection(config.expert_widths[-1], deep) for deep in plan.deep_widths)
        self.shallow = nn.ModuleList(
            Stack(len(tasks), self.shallow_width, config.shallow_widths, norm, slope, last_gain=SHALLOW_GAIN)
            for tasks in plan.tasks
            if config.shallow_expert
        )

    def in_common(self, z: Tensor) -> Tensor:
        """Of all experts (E, N, H)."""
        outputs: Tensor = self.experts(z)
        return outputs

    def embed(self, domain: int, x: Tensor, z: Tensor, common: Tensor) -> list[list[Tensor]]:
        weights = torch.softmax(self.gates[domain](z).float(), dim=2).to(common.dtype)  # (T, N, E)
        weighted = [
            weight * output
            for weight, output in zip(weights.unsqueeze(3).unbind(2), common.unbind(0), strict=True)
        ]
        mixed = torch.stack(weighted).sum(dim=0)  # (T, N, H)
        if self.norm != "none":
            mixed = normalise(mixed)
        deep = [
            [self.heads[task](own)] for task, own in zip(self.tasks[domain], mixed.unbind(0), strict=True)
        ]
        if not len(self.shallow):
            return deep
        fields = x[:, self.width - self.shallow_width :]
        shallow = self.shallow[domain](normalise(fields) if self.norm == "pre" else fields).unbind(0)
        return [[*parts, own] for parts, own in zip(deep, shallow, strict=True)]

    def served(self, domain: int) -> nn.Module:
        return ServedDomain(self, domain)


class ServedExpert(nn.Module):
    """One of a tower's experts, as it is served."""

    def __init__(self, experts: Experts, index: int) -> None:
        super().__init__()
        self.norm = experts.norm
        self.cross = ServedCross(experts.cross, index)
        self.deep, self.join = ServedNetwork(experts.deep, index), ServedNetwork(experts.join, index)

    def forward(self, z: Tensor) -> Tensor:
        """(N, D) → (N, H)"""
        both = torch.cat([self.cross(z), self.deep(z)], dim=1)
        joined: Tensor = self.join(normalise(both) if self.norm == "pre" else both)
        return joined


class ServedDomain(ServedTower):
    """A tower for rows of one domain, in evaluation mode, for export."""

    def __init__(self, tower: Tower, domain: int) -> None:
        super().__init__(tower, domain)
        tasks, self.shallow_width = range(len(self.tasks)), tower.shallow_width
        self.experts = nn.ModuleList(
            ServedExpert(tower.experts, e) for e in range(tower.experts.deep.networks)
        )
        self.gates, self.shallow = (
            served_networks(cast(Stack, stacks[domain]) if len(stacks) else None, tasks)
            for stacks in (tower.gates, tower.shallow)
        )
        self.heads = nn.ModuleList(copy.deepcopy(tower.heads[task]) for task in self.tasks)
        self.eval()

    def embed(self, x: Tensor, z: Tensor) -> list[list[Tensor]]:
        outputs = torch.stack([expert(z) for expert in self.experts], dim=1)  # (N, E, H)
        fields = x[:, x.shape[1] - self.shallow_width :]
        if self.norm == "pre" and len(self.shallow):
            fields = normalise(fields)
        embeddings = []
        for own, (gate, head) in enumerate(zip(self.gates, self.heads, strict=True)):
            weights = torch.softmax(gate(z), dim=1).unsqueeze(2)  # (N, E, 1)
            mixed = (weights * outputs).sum(dim=1)  # (N, H)
            deep = head(mixed if self.norm == "none" else normalise(mixed))
            embeddings.append([deep] + [network(fields) for network in self.shallow[own : own + 1]])
        return embeddings


class MMoEDCN(DomainTowers):
    """The two-tower ranker of shared DCN experts."""

    query: Tower
    item: Tower

    def __init__(self, declarations: Declarations, config: Settings) -> None:
        super().__init__(declarations, config, lambda plan: Tower(plan, config))


Network = MMoEDCN
