"""A tower (paper §2.2, Fig. 5): one Domain Expert per surface (query) or product (item).

A row runs through the adaptation and the Domain Expert of its own domain, and the domain-shared expert.

The domain-shared expert has the same weights for all domains, so it reads all columns, in which a field that the domain
lacks is a learned constant; Domain Experts read the same columns.

Shapes: N rows, D adapted columns, H expert output width, T tasks, K_t = emb_deep + emb_shallow + 1 width of task t.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtmd.config import ModelConfig, SideSchema
from mtmd.model.adaptation import DomainAdaptation, by_domain
from mtmd.model.batch import SideInput
from mtmd.model.experts import DomainExpert
from mtmd.model.fields import Owned
from mtmd.model.layers import Stack, normalise, pad_rows


class Tower(nn.Module):
    """Rows of one side to one embedding per task.

    A domain has networks for its own tasks only (`tasks`, per domain); its embeddings of other tasks are 0.
    bias (|domains|, T): the last dimension of an embedding. The query tower learns it, and the item tower holds 1, so
    the dot product adds the surface's bias to the logit.
    """

    bias: Tensor

    def __init__(
        self,
        schema: SideSchema,
        deep_widths: tuple[int, ...],
        tasks: Sequence[Sequence[int]],
        config: ModelConfig,
        *,
        learn_bias: bool,
        owned: Owned | None = None,
    ) -> None:
        """`owned` has the shared tables of the tower that was made before, as in FieldTables."""
        super().__init__()
        self.norm = config.norm
        self.tasks = tuple(map(tuple, tasks))
        self.adaptation = DomainAdaptation(schema, config, owned)
        layout = self.adaptation.layout
        self.experts = nn.ModuleList(
            DomainExpert(layout.width, layout.shallow_width, tuple(deep_widths[t] for t in tasks_of), config)
            for tasks_of in self.tasks
        )
        # The domain-shared expert (§2.1.4): the same weights for the rows of all domains.
        self.shared: Stack | None = None
        if config.domain_shared_expert:
            self.shared = Stack(1, layout.width, config.expert_widths, config.norm, config.leaky_slope)
        self.widths = tuple(deep + config.shallow_width + 1 for deep in deep_widths)
        shape = (len(schema.domains), len(deep_widths))
        if learn_bias:
            self.bias = nn.Parameter(torch.zeros(shape))
        else:
            self.register_buffer("bias", torch.ones(shape), persistent=False)

    def observe(self, side: SideInput, times: Tensor) -> None:
        """Rows of the window, before training; the values of each count `times` (N,)."""
        self.adaptation.observe(side, times)

    def forward(self, side: SideInput) -> Tensor:
        """Rows sorted by domain → the embeddings of all tasks side by side (N, sum of K_t)."""
        x = self.adaptation(side)  # (N, D)
        z = normalise(x) if self.norm == "pre" else x
        padded = pad_rows if self.training else nn.Identity()
        # (N, H); without that expert a domain's own experts get no columns of it
        shared = x[:, :0] if self.shared is None else self.shared(padded(z)).squeeze(0)[: len(z)]
        packed = []
        parts = zip(*(by_domain(t, side) for t in (x, z, shared)), strict=True)
        for expert, tasks, bias, rows in zip(
            self.experts, self.tasks, self.bias.unbind(0), parts, strict=True
        ):
            outputs = dict(zip(tasks, expert(*(padded(t) for t in rows)), strict=True))
            packed.append(pack(outputs, bias, self.widths)[: len(rows[0])])
        return torch.cat(packed)


def pack(embeddings: dict[int, list[Tensor]], bias: Tensor, widths: Sequence[int]) -> Tensor:
    """emb_deep, emb_shallow and bias of each task in turn → (N, sum of K_t) float32.

    embeddings: per task that the domain has, its two parts; the others' are 0. bias (T,).
    """
    first = next(iter(embeddings.values()))[0]
    rows, parts = first.shape[0], list[Tensor]()
    for task, (value, width) in enumerate(zip(bias.unbind(0), widths, strict=True)):
        absent = [first.new_zeros(()).expand(rows, width - 1)]
        parts += [part.float() for part in embeddings.get(task, absent)]
        parts.append(value.expand(rows, 1))
    return torch.cat(parts, dim=1)
