"""A tower of MTMD as it is served, for rows of one domain: its numbers, computed network by network.

Shapes: N rows, D adapted columns, T tasks, E routed experts, H expert output width, S shallow width, K_t embedding
width of task t.
"""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.model.layers import normalise
from mtmd.model.served import ServedCross, ServedNetwork, ServedTower, copied, served_networks

if TYPE_CHECKING:
    from mtmd.model.mtmd.network import DomainExpert, Tower


class DomainModule(ServedTower):
    """A tower of MTMD for rows of one domain."""

    def __init__(self, tower: "Tower", domain: int) -> None:
        super().__init__(tower, domain)
        self.expert = ServedExpert(cast("DomainExpert", tower.experts[domain]))
        self.shared = None if tower.shared is None else ServedNetwork(tower.shared, 0)
        self.eval()

    def embed(self, x: Tensor, z: Tensor) -> list[list[Tensor]]:
        found: list[list[Tensor]] = self.expert(x, z, None if self.shared is None else self.shared(z))
        return found


class ServedExpert(nn.Module):
    """A Domain Expert, task by task."""

    def __init__(self, expert: "DomainExpert") -> None:
        super().__init__()
        self.norm, self.concat, self.shallow_width = expert.norm, expert.concat, expert.shallow_width
        tasks = range(expert.tasks)
        # T deep experts, then the task-shared one where there is one.
        self.experts = served_networks(expert.experts, range(expert.experts.networks))
        self.routers = served_networks(expert.routers, tasks)
        self.shallow = served_networks(expert.shallow, tasks)
        if self.norm != "none":
            self.gain = nn.ParameterList(copied(gain[0]) for gain in expert.gain)
            self.shift = nn.ParameterList(copied(shift[0]) for shift in expert.shift)
        self.cross = nn.ModuleList(ServedCross(expert.cross, task) for task in tasks)
        self.project = copy.deepcopy(expert.project)

    def forward(self, x: Tensor, z: Tensor, shared: Tensor | None) -> list[list[Tensor]]:
        """As DomainExpert: per task [emb_deep (N, K), emb_shallow (N, S)]."""
        outputs = [network(z) for network in self.experts]  # T or T + 1 of (N, H)
        others = outputs[len(self.project) :] + ([] if shared is None else [shared])
        fields = x[:, x.shape[1] - self.shallow_width :]
        if self.norm == "pre" and len(self.shallow):
            fields = normalise(fields)
        embeddings = []
        for task, project in enumerate(self.project):
            deep = project(self.cross[task](self._compose([outputs[task], *others], z, task)))
            embeddings.append([deep] + [network(fields) for network in self.shallow[task : task + 1]])
        return embeddings

    def _compose(self, experts: Sequence[Tensor], z: Tensor, task: int) -> Tensor:
        """Routed outputs of one task through the LayerNorm: (N, E H), or (N, H) when summed."""
        side_by_side = torch.cat(list(experts), dim=1).view(z.shape[0], len(experts), -1)  # (N, E, H)
        if len(self.routers):
            weighted = side_by_side * torch.softmax(self.routers[task](z), dim=1).unsqueeze(2)
        else:
            weighted = side_by_side / len(experts)
        c = weighted.flatten(1) if self.concat else weighted.sum(dim=1)
        return c if self.norm == "none" else F.layer_norm(c, c.shape[-1:], self.gain[task], self.shift[task])
