"""Embedding tables of equal width in one block of memory, whose rows wait until they are read.

`mtmd.train.optimizer` has the equations. A model of many small tables spends most of a step's time on calls to torch,
not on numbers; one call here serves all tables of a block. The numbers are those of each table by itself, bit by bit.

Shapes: n rows of a table, w width.
"""

from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.99)
EPSILON = 1e-8
DECAY = BETAS[0] / BETAS[1] ** 0.5  # of a resting row's next move
HORIZON = 512  # steps after which a row rests for good: DECAY^512 is below 1e-22

Read = tuple[Tensor, Tensor]  # a table, and rows of it (any shape, repeated or not)
State = MutableMapping[Tensor, Any]  # of an optimizer


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
