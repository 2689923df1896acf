"""MTMD (paper §2.2, §2.3): two towers, one dot product per task, probabilities along the task tree.

A tower (§2.2, Fig. 5) has Domain Experts (§2.1, Fig. 4), one per surface (query) or product (item). A row runs through
the adaptation and the Domain Expert of its own domain, and the domain-shared expert. All read the tower's whole
columns, in which a field that the domain lacks is a learned constant. Networks of one shape are a Stack.
Readings: routed outputs are concatenated (`composition = "concat"`) so that DCN crosses experts, `"sum"` is a switch;
routers follow the experts' norm rule; `norm = "none"` removes every LayerNorm, also DCN's.

Shapes: N rows of requests or ads, D adapted columns, T tasks, H expert output width, S shallow width,
K_t = emb_deep + emb_shallow + 1.
"""

import torch
from torch import Tensor, nn

from mtmd.config import Declarations
from mtmd.model.domain_tower import ROUTER_GAIN, SHALLOW_GAIN, DomainTower, DomainTowers, TowerPlan
from mtmd.model.layers import LowRankCross, Stack, affine, normalise, projection
from mtmd.model.mtmd import Settings
from mtmd.model.mtmd.served import DomainModule


class DomainExpert(nn.Module):
    """One domain's experts, routers and composition: adapted rows to embeddings of the domain's T tasks."""

    def __init__(
        self, width: int, shallow_width: int, deep_widths: tuple[int, ...], config: Settings
    ) -> None:
        super().__init__()
        tasks = len(deep_widths)
        slope, norm = config.leaky_slope, config.norm
        self.norm = norm
        self.concat = config.composition == "concat"
        self.shallow_width = shallow_width
        self.tasks, self.routed = tasks, len(config.routed)
        self.domain_shared = config.domain_shared_expert
        # T deep experts, then the task-shared one.
        networks = tasks + int(config.task_shared_expert)
        self.experts = Stack(networks, width, config.expert_widths, norm, slope)
        self.routers = self.shallow = None
        if config.routing and self.routed > 1:
            router_widths = (*config.router_widths, self.routed)
            self.routers = Stack(
                tasks, width, router_widths, norm, slope, activate_last=False, last_gain=ROUTER_GAIN
            )
        if config.shallow_expert:
            self.shallow = Stack(
                tasks, shallow_width, config.shallow_widths, norm, slope, last_gain=SHALLOW_GAIN
            )
        composed = config.expert_widths[-1] * (self.routed if self.concat else 1)
        if norm != "none":
            self.gain = nn.Parameter(torch.ones(tasks, 1, composed))
            self.shift = nn.Parameter(torch.zeros(tasks, 1, composed))
        self.cross = LowRankCross(tasks, composed, config.cross_layers, config.cross_rank)
        self.project = nn.ModuleList(projection(composed, deep) for deep in deep_widths)

    def forward(self, x: Tensor, z: Tensor, shared: Tensor) -> list[list[Tensor]]:
        """Adapted rows to embeddings: per task [emb_deep (N, K), emb_shallow (N, S)].

        x (N, D) adapted, z the same after the LayerNorm where norm is "pre", shared (N, H) of the
        domain-shared expert, not read where there is none.
        """
        if self.routers is None:
            weights = z.new_full((self.tasks, z.shape[0], self.routed), 1.0 / self.routed)
        else:
            weights = torch.softmax(self.routers(z).float(), dim=2)  # (T, N, E)
        composed = self._compose(self.experts(z), shared, weights)
        deep = [[project(c)] for project, c in zip(self.project, composed, strict=True)]
        if self.shallow is None:
            return deep
        fields = x[:, x.shape[1] - self.shallow_width :]
        shallow = self.shallow(normalise(fields) if self.norm == "pre" else fields).unbind(0)  # T × (N, S)
        return [[*parts, s] for parts, s in zip(deep, shallow, strict=True)]

    def _compose(self, outputs: Tensor, shared: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """Routed outputs through LayerNorm and DCN: T tensors (N, E H), or (N, H) when summed."""
        # (T, N, H), and (1, N, H) of the task-shared one where there is one
        deep, *others = torch.split(outputs, [self.tasks] + [1] * (len(outputs) - self.tasks))
        if self.domain_shared:
            others.append(shared)
        w = weights.to(outputs.dtype).unsqueeze(3).unbind(2)  # E × (T, N, 1)
        routed = [weight * output for weight, output in zip(w, [deep, *others], strict=True)]  # E × (T, N, H)
        c = torch.cat(routed, dim=2) if self.concat else torch.stack(routed).sum(dim=0)
        if self.norm != "none":
            c = affine(normalise(c), self.gain, self.shift)
        crossed: Tensor = self.cross(c)
        return crossed.unbind(0)


class Tower(DomainTower):
    """A tower whose domains have a Domain Expert each."""

    def __init__(self, plan: TowerPlan, config: Settings) -> None:
        super().__init__(plan, config)
        self.experts = nn.ModuleList(
            DomainExpert(self.width, self.shallow_width, tuple(plan.deep_widths[t] for t in tasks), config)
            for tasks in plan.tasks
        )
        # The domain-shared expert (§2.1.4): the same weights for the rows of all domains.
        self.shared: Stack | None = None
        if config.domain_shared_expert:
            self.shared = Stack(1, self.width, config.expert_widths, config.norm, config.leaky_slope)

    def in_common(self, z: Tensor) -> Tensor:
        """The domain-shared expert's (N, H); without it no columns."""
        return z[:, :0] if self.shared is None else self.shared(z).squeeze(0)

    def embed(self, domain: int, x: Tensor, z: Tensor, common: Tensor) -> list[list[Tensor]]:
        found: list[list[Tensor]] = self.experts[domain](x, z, common)
        return found

    def served(self, domain: int) -> nn.Module:
        return DomainModule(self, domain)


class MTMD(DomainTowers):
    """The multi-task multi-domain two-tower ranker."""

    query: Tower
    item: Tower

    def __init__(self, declarations: Declarations, config: Settings) -> None:
        super().__init__(declarations, config, lambda plan: Tower(plan, config))


Network = MTMD
