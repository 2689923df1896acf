"""The Domain Expert (paper §2.1, Fig. 4): deep and shallow experts, shared experts, routing, composition.

All networks of a Domain Expert that read the same input have their first layers in one matrix product; later
layers are batched products over the networks.
Readings: routed outputs are concatenated (`composition = "concat"`) so that DCN crosses experts, `"sum"` is
a switch; routers follow the experts' norm rule; `norm = "none"` removes every LayerNorm, also DCN's.
Shapes: N rows of one domain, D adapted columns, T tasks, H expert output width, S shallow width.
"""

import math

import torch
from torch import Tensor, nn

from mtmd.config import ModelConfig
from mtmd.model.layers import LowRankCross, Stack, first_linear, normalise

ROUTED = 3  # a task's deep expert, the task-shared expert, the domain-shared expert
LOGIT_STD = 0.1  # of deep logits before training: predictions start at the base rate
SHALLOW_GAIN = 0.2  # likewise for shallow logits
ROUTER_GAIN = 0.1  # routing starts near uniform


class SharedExpert(nn.Module):
    """The domain-shared expert of a tower (§2.1.4): one set of weights for the rows of all its domains."""

    def __init__(self, width: int, config: ModelConfig) -> None:
        super().__init__()
        self.first = first_linear(width, config.expert_widths[0], config.leaky_slope)
        self.stack = Stack(1, config.expert_widths, config.norm, config.leaky_slope)

    def forward(self, z: Tensor) -> Tensor:
        """z (N, D), normalised already where norm is "pre" → (N, H)"""
        output: Tensor = self.stack(self.first(z).unsqueeze(0))
        return output.squeeze(0)


class DomainExpert(nn.Module):
    """One domain's experts, routers and composition: adapted rows to embeddings of all tasks."""

    def __init__(
        self, width: int, shallow_width: int, deep_widths: tuple[int, ...], config: ModelConfig
    ) -> None:
        super().__init__()
        tasks = len(deep_widths)
        slope, norm = config.leaky_slope, config.norm
        self.norm = norm
        self.concat = config.composition == "concat"
        self.shallow_width = shallow_width
        self.tasks = tasks
        self.deep_first = (tasks + 1) * config.expert_widths[0]
        self.first = first_linear(width, self.deep_first + tasks * config.router_widths[0], slope)
        self.experts = Stack(tasks + 1, config.expert_widths, norm, slope)  # the last one is task-shared
        self.routers = Stack(
            tasks, (*config.router_widths, ROUTED), norm, slope, activate_last=False, last_gain=ROUTER_GAIN
        )
        single = len(config.shallow_widths) == 1
        self.shallow_first = first_linear(
            shallow_width, tasks * config.shallow_widths[0], slope, SHALLOW_GAIN if single else 1.0
        )
        self.shallow = Stack(tasks, config.shallow_widths, norm, slope, last_gain=SHALLOW_GAIN)
        composed = config.expert_widths[-1] * (ROUTED if self.concat else 1)
        self.composed_gain = nn.Parameter(torch.ones(tasks, 1, composed))
        self.composed_shift = nn.Parameter(torch.zeros(tasks, 1, composed))
        self.cross = LowRankCross(tasks, composed, config.cross_layers, config.cross_rank)
        self.project = nn.ModuleList(_projection(composed, deep) for deep in deep_widths)

    def forward(self, x: Tensor, z: Tensor, shared: Tensor) -> tuple[list[Tensor], Tensor]:
        """Adapted rows to embeddings.

        x (N, D) adapted, z the same after the LayerNorm where norm is "pre", shared (N, H) of the
        domain-shared expert. Returns, per task in turn, emb_deep (N, K) and emb_shallow (N, S) as 2 T
        tensors, and the routing weights (T, N, 3).
        """
        a = self.first(z)
        outputs = self.experts(self._by_network(a[:, : self.deep_first], self.tasks + 1))  # (T + 1, N, H)
        scores = self.routers(self._by_network(a[:, self.deep_first :], self.tasks))  # (T, N, 3)
        weights = torch.softmax(scores.float(), dim=2)
        deep = [
            project(c)
            for project, c in zip(self.project, self._compose(outputs, shared, weights), strict=True)
        ]
        shallow = self._shallow(x)
        return [part for pair in zip(deep, shallow, strict=True) for part in pair], weights

    def _compose(self, outputs: Tensor, shared: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """Routed outputs through LayerNorm and DCN: T tensors (N, 3 H), or (N, H) when summed."""
        own, task_shared = outputs[:-1], outputs[-1:]
        w = weights.to(outputs.dtype).unsqueeze(3).unbind(2)  # 3 × (T, N, 1)
        routed = [w[0] * own, w[1] * task_shared, w[2] * shared]  # 3 × (T, N, H)
        c = torch.cat(routed, dim=2) if self.concat else routed[0] + routed[1] + routed[2]
        if self.norm != "none":
            c = torch.addcmul(self.composed_shift, normalise(c), self.composed_gain)
        crossed: Tensor = self.cross(c)
        return crossed.unbind(0)

    def _shallow(self, x: Tensor) -> tuple[Tensor, ...]:
        """emb_shallow of each task: T tensors (N, S)."""
        own = x[:, x.shape[1] - self.shallow_width :]
        a = self.shallow_first(normalise(own) if self.norm == "pre" else own)
        output: Tensor = self.shallow(self._by_network(a, self.tasks))
        return output.unbind(0)

    @staticmethod
    def _by_network(a: Tensor, networks: int) -> Tensor:
        """(N, E · W) → (E, N, W), a view"""
        return a.view(a.shape[0], networks, -1).transpose(0, 1)


def _projection(inputs: int, outputs: int) -> nn.Linear:
    """The last linear layer, scaled so that a dot product of two such outputs has a spread near LOGIT_STD."""
    linear = nn.Linear(inputs, outputs)
    nn.init.normal_(linear.weight, std=math.sqrt(LOGIT_STD / math.sqrt(outputs) / inputs))
    nn.init.zeros_(linear.bias)
    return linear
