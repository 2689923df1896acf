"""A tower (paper §2.2, Fig. 5): one Domain Expert per surface (query) or product (item).

A row runs through the adaptation and the Domain Expert of its own domain, and the domain-shared expert.

Reading: by `inputs = "own"` the paper's "will only receive the shopping features after the domain adaptation module". A
Domain Expert then reads the adapted columns of its own domain's fields. The domain-shared expert has the same weights
for all domains, so it reads all columns, in which a field that the domain lacks is a learned constant.

Shapes: N rows, D adapted columns, F fields, T tasks, K_t = emb_deep + emb_shallow + 1 width of task t, without a bias
one less.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtmd.config import ModelConfig, SideSchema
from mtmd.model.adaptation import DomainAdaptation, by_domain
from mtmd.model.batch import SideInput
from mtmd.model.experts import DomainExpert
from mtmd.model.fields import Owned
from mtmd.model.layers import Stack, normalise, pad_rows


@dataclass(frozen=True)
class TowerTrace:
    """What a tower computed on the way, for reports.

    packed    (N, sum of K_t) embeddings of all tasks side by side
    gates     (N, F) SE weights, fields in the order of the tower's layout
    routing   (N, T, E) weights of the experts `ModelConfig.routed` names; NaN for tasks that the row's
              domain lacks

    Only the embeddings carry gradients.
    """

    packed: Tensor
    gates: Tensor
    routing: Tensor


class Tower(nn.Module):
    """Rows of one side to one embedding per task.

    A domain has networks for its own tasks only (`tasks`, per domain); its embeddings of other tasks are 0.
    bias (|domains|, T): the last dimension of an embedding. The query tower learns it, or keeps it fixed, and the item
    tower holds 1, so the dot product adds the surface's bias to the logit. None where the model has no bias.
    """

    bias: Tensor | None

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
        own = config.inputs == "own"
        present = self.adaptation.present if own else torch.ones_like(self.adaptation.present)
        for domain, columns in enumerate(present):
            read = None if columns.all() else columns.nonzero().squeeze(1)
            self.register_buffer(f"read_{domain}", read, persistent=False)
        shallow = present[:, layout.width - layout.shallow_width :]
        self.experts = nn.ModuleList(
            DomainExpert(width, shallow_width, tuple(deep_widths[t] for t in tasks_of), config)
            for width, shallow_width, tasks_of in zip(
                present.sum(dim=1).tolist(), shallow.sum(dim=1).tolist(), self.tasks, strict=True
            )
        )
        # The domain-shared expert (§2.1.4): the same weights for the rows of all domains.
        self.shared: Stack | None = None
        if config.domain_shared_expert:
            self.shared = Stack(1, layout.width, config.expert_widths, config.norm, config.leaky_slope)
        biased = config.bias != "none"
        self.widths = tuple(deep + config.shallow_width + int(biased) for deep in deep_widths)
        shape = (len(schema.domains), len(deep_widths))
        if not biased:
            self.bias = None
        elif not learn_bias:
            self.register_buffer("bias", torch.ones(shape), persistent=False)
        elif config.bias == "fixed":
            self.register_buffer("bias", torch.zeros(shape))
        else:
            self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, side: SideInput) -> TowerTrace:
        """Embeddings, gates and routing of rows sorted by domain."""
        self.adaptation.tables.check(side.categorical, side.lists)
        x, gates = self.adaptation(side)  # (N, D)
        z = normalise(x) if self.norm == "pre" else x
        padded = pad_rows if self.training else nn.Identity()
        # (N, H); without that expert a domain's own experts get no columns of it
        shared = x[:, :0] if self.shared is None else self.shared(padded(z)).squeeze(0)[: len(z)]
        packed, routing = [], []
        parts = zip(*(by_domain(t, side) for t in (x, z, shared)), strict=True)
        biases = [None] * len(self.tasks) if self.bias is None else self.bias.unbind(0)
        for domain, (expert, tasks, bias, rows) in enumerate(
            zip(self.experts, self.tasks, biases, parts, strict=True)
        ):
            count = len(rows[0])
            outputs, weights = expert(*(padded(t) for t in (*self.read(domain, *rows[:2]), rows[2])))
            packed.append(pack(dict(zip(tasks, outputs, strict=True)), bias, self.widths)[:count])
            weights = weights.detach()[:, :count]
            all_tasks = weights.new_full((len(self.widths), *weights.shape[1:]), torch.nan)
            all_tasks[list(tasks)] = weights
            routing.append(all_tasks)
        return TowerTrace(torch.cat(packed), gates.detach(), torch.cat(routing, dim=1).transpose(0, 1))

    def read(self, domain: int, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """What a Domain Expert reads of its domain's adapted rows (N, D), plain and normalised."""
        columns = self.columns_read(domain)
        if columns is None:
            return x, z
        x = x.index_select(1, columns)
        return x, normalise(x) if self.norm == "pre" else x

    def columns_read(self, domain: int) -> Tensor | None:
        """The adapted columns that a Domain Expert reads; None for all."""
        columns = getattr(self, f"read_{domain}")
        assert columns is None or isinstance(columns, Tensor)  # registered above; nn.Module has no types
        return columns


def pack(embeddings: dict[int, list[Tensor]], bias: Tensor | None, widths: Sequence[int]) -> Tensor:
    """emb_deep, emb_shallow and bias of each task in turn → (N, sum of K_t) float32.

    embeddings: per task that the domain has, its two parts; the others' are 0. bias (T,), or None for none.
    """
    first = next(iter(embeddings.values()))[0]
    rows, values = first.shape[0], [[] for _ in widths] if bias is None else [[one] for one in bias.unbind(0)]
    parts: list[Tensor] = []
    for task, (value, width) in enumerate(zip(values, widths, strict=True)):
        absent = [first.new_zeros(()).expand(rows, width - len(value))]
        parts += [part.float() for part in embeddings.get(task, absent)]
        parts += [one.expand(rows, 1) for one in value]
    return torch.cat(parts, dim=1)
