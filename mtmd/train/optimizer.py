"""AdamW for models with large embedding tables, and the learning rate of each step.

`make_optimizer` says which parameters decay and how fast each kind learns. `learning_rate_factor` is a linear warm-up,
then a cosine.

`RowAdamW` moves a row of an embedding table when a batch reads it, and not at every step. Adam moves a weight on after
its last gradient, and its moments decay at every step: over the tables that is a pass over every id at every step, of
which a batch reads few. But k steps without a gradient have a closed form,

    m ← β1^k m    v ← β2^k v    w ← w − m / (√v + ε) · Σ_{j=1..k} a_{s+j} (β1/√β2)^j    a_s = lr_s √(1−β2^s) / (1−β1^s)

exact for ε = 0, so a row is brought up to date just before it is read, and all rows by `settle`. Tables have no weight
decay. Those of equal width lie in one block of memory, as one call to torch for all of them is faster; the numbers are
those of each table by itself, bit by bit.

Shapes: n rows of a table, w width.
"""

import math
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mtmd.config import TrainingConfig
from mtmd.model.fields import FieldTables

BETAS = (0.9, 0.99)
EPSILON = 1e-8
DECAY = BETAS[0] / BETAS[1] ** 0.5  # of a resting row's next move
HORIZON = 512  # steps after which a row rests for good: DECAY^512 is below 1e-22

Read = tuple[Tensor, Tensor]  # a table, and rows of it (any shape, repeated or not)
State = MutableMapping[Tensor, Any]  # of an optimizer
CHUNK = 2**16  # rows that `settle` takes at a time

_MATRICES = {"weight", "weights", "down", "up"}  # of linear layers, stacks and crosses
RATE = "rate"  # key of a parameter group: its learning rate as a share of the training's


class TableBlock:
    """The weights and moments of some tables, which become views of it; `first` has where each one's rows begin.

    steps  updates since `restart`           last   (n of all tables,) the update that each row is at
    reach  (steps + 1,) float64: the sum of the formula for a row that is at this update
    """

    def __init__(self, tables: Sequence[nn.Parameter]) -> None:
        self.first: dict[Tensor, int] = {}
        start = 0
        for table in tables:
            self.first[table] = start
            start += len(table)
        self._weights = torch.cat([table.data for table in tables])
        self._device = self._weights.device
        self._ends = torch.tensor([*self.first.values(), start], device=self._device)[1:]
        for table in tables:
            table.data = self._own(self._weights, table)
        self._moments: tuple[Tensor, Tensor] | None = None
        self._last = torch.zeros(start, dtype=torch.long, device=self._device)
        self.restart()

    def restart(self) -> None:
        """All rows are up to date."""
        self._steps = 0
        self._last.zero_()
        self._reach = torch.zeros(1, dtype=torch.float64, device=self._device)

    def forget_moments(self) -> None:
        """The optimizer's state was replaced: take the moments from there again."""
        self._moments = None
        self.restart()

    def release(self) -> None:
        """Give every table memory of its own."""
        for table in self.first:
            table.data = table.data.clone()

    def update(self, state: State, learning_rate: float) -> None:
        """One step of every table: of the rows that have a gradient, and of the others' rest."""
        moments = self._adopted(state)
        steps = [state[table]["step"] for table in self.first]
        torch._foreach_add_(steps, 1)
        bias = [1.0 - beta ** float(steps[0]) for beta in BETAS]
        self._advance(learning_rate * bias[1] ** 0.5 / bias[0])
        found = [
            (table.grad.coalesce(), first) for table, first in self.first.items() if table.grad is not None
        ]
        if not found:
            return
        rows = torch.cat([gradient.indices()[0] + first for gradient, first in found])
        values = torch.cat([gradient.values() for gradient, _ in found])
        m = moments[0][rows].lerp_(values, 1.0 - BETAS[0])
        v = moments[1][rows].mul_(BETAS[1]).addcmul_(values, values, value=1.0 - BETAS[1])
        moments[0][rows], moments[1][rows] = m, v
        moved = m.div_(v.div_(bias[1]).sqrt_().add_(EPSILON)).mul_(learning_rate / bias[0])
        self._weights.index_add_(0, rows, moved, alpha=-1.0)
        self._last[rows] = self._steps

    def catch_up(self, state: State, reads: Iterable[Read]) -> None:
        """Let rows of its tables take the steps that they have missed."""
        rows = torch.cat([rows.flatten() + self.first[table] for table, rows in reads])
        rows = rows[self._last[rows] < self._steps]
        if not len(rows):
            return
        rows = torch.unique(rows)
        moments, last = self._adopted(state), self._last[rows]
        m, v = moments[0][rows], moments[1][rows]
        reach = self._reach[last].float().unsqueeze(1)
        self._weights.index_add_(0, rows, m / (v.sqrt() + EPSILON) * reach, alpha=-1.0)
        # Table by table: torch rounds a power by its place in its tensor.
        ends = torch.searchsorted(rows, self._ends)[:-1].tolist()
        parts = [part for part in (self._steps - last).unsqueeze(1).tensor_split(ends) if len(part)]
        for moment, old, beta in zip(moments, (m, v), BETAS, strict=True):
            moment[rows] = old * torch.cat([beta**part for part in parts])
        self._last[rows] = self._steps

    def _advance(self, stride: float) -> None:
        """One more update, whose stride is a_s."""
        self._steps += 1
        first = max(0, self._steps - HORIZON)
        missed = torch.arange(self._steps - first, 0, -1, device=self._device)
        self._reach[first:] += stride * DECAY**missed
        self._reach = torch.cat([self._reach, self._reach.new_zeros(1)])

    def _adopted(self, state: State) -> tuple[Tensor, Tensor]:
        """The moments: `state` has each table's, stored or new, under AdamW's own names."""
        if self._moments is None:
            self._moments = torch.zeros_like(self._weights), torch.zeros_like(self._weights)
            for table in self.first:
                stored = state[table]
                views = {
                    name: self._own(every, table)
                    for name, every in zip(("exp_avg", "exp_avg_sq"), self._moments, strict=True)
                }
                for name, view in views.items() if stored else ():
                    view.copy_(stored[name])
                # On the CPU, as it is read at every step: elsewhere that would wait for the device.
                step = torch.tensor(float(stored["step"]) if stored else 0.0, device="cpu")
                state[table] = {"step": step, **views}
        return self._moments

    def _own(self, block: Tensor, table: Tensor) -> Tensor:
        """A table's rows of the block's."""
        return block[self.first[table] : self.first[table] + len(table)]


def blocks_of(tables: Iterable[nn.Parameter]) -> list[TableBlock]:
    """One block for all tables of a width and type."""
    alike: dict[tuple[int, torch.dtype], list[nn.Parameter]] = {}
    for table in tables:
        alike.setdefault((table.shape[1], table.dtype), []).append(table)
    return [TableBlock(members) for members in alike.values()]


class RowAdamW(torch.optim.AdamW):
    """Fused AdamW, but for the embedding tables: their gradients are sparse and their rows wait to be read.

    As long as it is not closed, the model's tables tell it which rows they read, and tables of equal width lie in one
    block of memory. Call `settle` before weights are used in another way.
    """

    def __init__(self, groups: list[dict[str, Any]], model: nn.Module, learning_rate: float) -> None:
        # Fused: one pass over all parameters, with the same bits every time on the same machine.
        super().__init__(groups, lr=learning_rate, betas=BETAS, eps=EPSILON, fused=True)
        self._owners = [module for module in model.modules() if isinstance(module, FieldTables)]
        tables = {table for owner in self._owners for table in owner.tables}
        self._blocks = [blocks_of(p for p in group["params"] if p in tables) for group in self.param_groups]
        self._block = {table: block for blocks in self._blocks for block in blocks for table in block.first}
        for owner in self._owners:
            owner.on_read = self.catch_up

    @property
    def tables(self) -> tuple[Tensor, ...]:
        """The embedding tables, in the order of the parameters."""
        return tuple(self._block)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters outside the tables, and the rows of tables that have a gradient."""
        gradients = {table: table.grad for table in self._block}
        for table in gradients:
            table.grad = None  # AdamW leaves a parameter without a gradient alone
        super().step()
        for table, gradient in gradients.items():
            table.grad = gradient
        for group, blocks in zip(self.param_groups, self._blocks, strict=True):
            for block in blocks:
                block.update(self.state, group["lr"])

    @torch.no_grad()
    def catch_up(self, reads: Sequence[Read]) -> None:
        """Bring rows that are about to be read, or updated, up to date."""
        by_block: dict[TableBlock, list[Read]] = {}
        for table, rows in reads:
            by_block.setdefault(self._block[table], []).append((table, rows))
        for block, own in by_block.items():
            block.catch_up(self.state, own)

    def settle(self) -> None:
        """Bring every row of every table up to date."""
        for table in self._block:
            for rows in torch.split(torch.arange(len(table), device=table.device), CHUNK):
                self.catch_up([(table, rows)])
        for block in self._block.values():
            block.restart()

    def close(self) -> None:
        """Settle, and let go of the model's tables."""
        self.settle()
        for owner in self._owners:
            owner.on_read = None
        for block in set(self._block.values()):
            block.release()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state that was settled before it was stored."""
        super().load_state_dict(state_dict)
        for block in self._block.values():
            block.forget_moments()


def make_optimizer(model: nn.Module, config: TrainingConfig) -> RowAdamW:
    """AdamW that decays the weight matrices only; groups carry their share of the learning rate under RATE.

    Biases, norms, gates' offsets and learned defaults have no scale to lose. Embedding rows are left out too:
    most are not in a batch, and decoupled decay would shrink exactly the rare ones, which have no gradient to
    offset it.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decay = config.weight_decay if _MATRICES & set(name.split(".")[-2:]) else 0.0
        rate = config.embedding_rate if ".tables.tables." in f".{name}" else 1.0
        groups.setdefault((decay, rate), []).append(parameter)
    listed = [{"params": own, "weight_decay": decay, RATE: rate} for (decay, rate), own in groups.items()]
    return RowAdamW(listed, model, config.learning_rate)


def learning_rate_factor(step: int, steps: int, config: TrainingConfig) -> float:
    """Learning rate of a step, 0 ≤ step < steps, as a share of the peak.

    Linear over `warmup_fraction` of the steps, then half a cosine down to `final_lr_fraction`.
    """
    warmup = math.ceil(config.warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(steps - warmup - 1, 1)
    cosine = 0.5 * (1.0 + math.cos(math.pi * done))
    return config.final_lr_fraction + (1.0 - config.final_lr_fraction) * cosine
