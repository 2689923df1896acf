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

from mtmd.model.adaptation import DomainFields
from mtmd.model.layers import Stack, normalise
from mtmd.model.served import ServedCross, ServedNetwork, copied, embedded, served_tables

if TYPE_CHECKING:
    from mtmd.model.mtmd.network import DomainExpert, Tower


class DomainModule(nn.Module):
    """A tower for rows of one domain, in evaluation mode, for export: matrices in, T embeddings out.

    It shares the tower's adaptation, and holds the expert's weights, the tables' rows and the normalisation constants
    of the moment it was made.
    """

    centre: Tensor
    scale: Tensor
    shift: Tensor
    bias: Tensor
    present: Tensor

    def __init__(self, tower: "Tower", domain: int) -> None:
        super().__init__()
        fields, expert = tower.adaptation.of(domain), tower.experts[domain]
        assert isinstance(fields, DomainFields)  # as they are built; nn.ModuleList has no types
        self.norm, self.widths, self.tasks = tower.norm, tower.widths, tower.tasks[domain]
        self.fields = fields
        present, numeric = tower.adaptation.present[domain], tower.adaptation.layout.numeric_width
        self.tables = served_tables(tower.adaptation.tables, present[numeric:], fields.default[numeric:])
        self.expert = ServedExpert(cast("DomainExpert", expert))
        self.shared = None if tower.shared is None else ServedNetwork(tower.shared, 0)
        for name, value in zip(("centre", "scale", "shift"), fields.norm.frozen(), strict=True):
            self.register_buffer(name, value)
        self.register_buffer("bias", tower.bias[domain].detach().clone())
        self.register_buffer("present", present[:numeric])
        self.eval()

    def forward(
        self, continuous: Tensor, categorical: Tensor, embedding: Tensor, *lists: Tensor
    ) -> tuple[Tensor, ...]:
        """continuous (N, C), categorical (N, K), embedding (N, V), as in SideInput → T tensors (N, K_t).

        lists: of each multi-valued feature its ids (N, L), 0 behind the last one.
        """
        numbers = torch.cat([continuous, embedding], dim=1)
        parts = [self.fields.adapt_numbers(numbers, self.present, (self.centre, self.scale, self.shift))]
        parts += embedded(self.tables, categorical, lists)
        x = self.fields.gate(torch.cat(parts, dim=1))  # (N, D)
        z = normalise(x) if self.norm == "pre" else x
        shared = None if self.shared is None else self.shared(z)
        found = dict(zip(self.tasks, self.expert(x, z, shared), strict=True))
        rows, outputs = x.shape[0], []  # len() would fix the number of rows
        for task, (bias, width) in enumerate(zip(self.bias.unbind(0), self.widths, strict=True)):
            embeddings = found.get(task, [x.new_zeros(()).expand(rows, width - 1)])
            outputs.append(torch.cat([*embeddings, bias.expand(rows, 1)], dim=1))
        return tuple(outputs)


class ServedExpert(nn.Module):
    """A Domain Expert, task by task."""

    def __init__(self, expert: "DomainExpert") -> None:
        super().__init__()
        self.norm, self.concat, self.shallow_width = expert.norm, expert.concat, expert.shallow_width
        tasks = range(expert.tasks)
        # T deep experts, then the task-shared one where there is one.
        self.experts = _networks(expert.experts, range(expert.experts.networks))
        self.routers, self.shallow = _networks(expert.routers, tasks), _networks(expert.shallow, tasks)
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


def _networks(stack: Stack | None, indices: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList([] if stack is None else [ServedNetwork(stack, index) for index in indices])
