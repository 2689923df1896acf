"""AdamW for models with large embedding tables, and the learning rate of each step.

`RowAdamW` moves a row of an embedding table when a batch reads it, and not at every step. Adam moves a weight on after
its last gradient, and its moments decay at every step: over the tables that is a pass over every id at every step, of
which a batch reads few. But k steps without a gradient have a closed form,

    m ← β1^k m    v ← β2^k v    w ← w − m / (√v + ε) · Σ_{j=1..k} a_{s+j} (β1/√β2)^j    a_s = lr_s √(1−β2^s) / (1−β1^s)

exact for ε = 0, so a row is brought up to date just before it is read, and all rows by `settle`. Tables have no weight
decay. Only rows that had a gradient have moments: a table has several rows for each value that a window may have.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from mtmd.config import TrainingConfig
from mtmd.model.fields import FieldTables

BETAS = (0.9, 0.99)
EPSILON = 1e-8
DECAY = BETAS[0] / BETAS[1] ** 0.5  # of a resting row's next move
HORIZON = 512  # steps after which a row rests for good: DECAY^512 is below 1e-22
CHUNK = 2**16  # rows that `settle` takes at a time
RATE = "rate"  # key of a parameter group: its learning rate as a share of the training's

_MATRICES = {"weight", "weights", "down", "up"}  # of linear layers, stacks and crosses
_MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's names
_ROWS = "rows"  # (n,) of a table's state: which of its rows the moments (n, w) are of


class RowAdamW(torch.optim.AdamW):
    """Fused AdamW, but for the embedding tables: their gradients are sparse and their rows wait to be read.

    As long as it is not closed, the model's tables tell it which rows they read. Call `settle` before weights are used
    in another way. All tables must be in one group.

    tables  the embedding tables, in the order of the parameters
    """

    def __init__(self, groups: list[dict[str, Any]], model: nn.Module, learning_rate: float) -> None:
        # Fused: one pass over all parameters, with the same bits every time on the same machine.
        super().__init__(groups, lr=learning_rate, betas=BETAS, eps=EPSILON, fused=True)
        self._owners = [module for module in model.modules() if isinstance(module, FieldTables)]
        owned = {table for owner in self._owners for table in owner.tables}
        listed = [(i, p) for i, group in enumerate(self.param_groups) for p in group["params"] if p in owned]
        self.tables: tuple[nn.Parameter, ...] = tuple(table for _, table in listed)
        self._group = listed[0][0] if listed else 0
        for owner in self._owners:
            owner.on_read = self.catch_up
        self.restart()

    def restart(self) -> None:
        """Begin from the state as it is: all rows are up to date, no step since, and each row at step 0.

        place  of each table, (rows,): where the state has the moments of a row, −1 where it has none
        held   of each table, how many rows' moments there are; its state may have space for more
        reach  (steps + 1,) float64: the sum of the formula for a row that is at this step
        """
        device = self.tables[0].device if self.tables else None
        self._steps = 0
        self._last: dict[Tensor, Tensor] = {}
        self._place: dict[Tensor, Tensor] = {}
        self._held: dict[Tensor, int] = {}
        for table in self.tables:
            self._last[table] = torch.zeros(len(table), dtype=torch.int32, device=device)
            self._place[table] = torch.full((len(table),), -1, dtype=torch.int32, device=device)
            state = self._state_of(table)
            self._held[table] = len(state[_ROWS])
            self._place[table][state[_ROWS]] = torch.arange(
                self._held[table], dtype=torch.int32, device=device
            )
        self._reach = torch.zeros(1, dtype=torch.float64, device=device)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters outside the tables, and the rows of tables that have a gradient."""
        gradients = [table.grad for table in self.tables]
        for table in self.tables:
            table.grad = None  # AdamW leaves a parameter without a gradient alone
        super().step()
        for table, gradient in zip(self.tables, gradients, strict=True):
            table.grad = gradient
        if self.tables:
            self._step_tables(self.param_groups[self._group]["lr"])

    def _step_tables(self, learning_rate: float) -> None:
        states = [self._state_of(table) for table in self.tables]
        torch._foreach_add_([state["step"] for state in states], 1)
        bias = [1.0 - beta ** float(states[0]["step"]) for beta in BETAS]
        self._advance(learning_rate * bias[1] ** 0.5 / bias[0])
        for table, state in zip(self.tables, states, strict=True):
            if table.grad is None:
                continue
            gradient = table.grad.coalesce()
            rows, values = gradient.indices()[0], gradient.values()
            places = self._places(table, rows)
            m = state["exp_avg"][places].lerp_(values, 1.0 - BETAS[0])
            v = state["exp_avg_sq"][places].mul_(BETAS[1]).addcmul_(values, values, value=1.0 - BETAS[1])
            state["exp_avg"][places], state["exp_avg_sq"][places] = m, v
            moved = m.div_(v.div_(bias[1]).sqrt_().add_(EPSILON)).mul_(learning_rate / bias[0])
            table.data.index_add_(0, rows, moved, alpha=-1.0)
            self._last[table][rows] = self._steps

    def _state_of(self, table: nn.Parameter) -> dict[str, Tensor]:
        """Step and moments of a table, made at first; moments without their rows are of all rows."""
        state: dict[str, Tensor] = self.state[table]
        if not state:
            # On the CPU, as it is read at every step: elsewhere that would wait for the device.
            state["step"] = torch.tensor(0.0, device="cpu")
            state |= {name: table.new_zeros(0, table.shape[1]) for name in _MOMENTS}
            state[_ROWS] = torch.arange(0, device=table.device)
        if len(state.get(_ROWS, ())) != len(state[_MOMENTS[0]]):  # an earlier version kept them of all rows
            state[_ROWS] = torch.arange(len(table), device=table.device)
        return state

    def _places(self, table: nn.Parameter, rows: Tensor) -> Tensor:
        """Where the moments of these rows are, ascending and distinct; rows that had none get zeros."""
        place, state, held = self._place[table], self.state[table], self._held[table]
        new = rows[place[rows] < 0]
        if lacking := max(0, held + len(new) - len(state[_ROWS])):
            more = max(lacking, held // 2)  # space is made seldom, since all is copied then
            for name in (_ROWS, *_MOMENTS):
                empty = state[name].new_zeros(more, *state[name].shape[1:])
                state[name] = torch.cat([state[name], empty])
        if len(new):
            self._held[table] = held + len(new)
            state[_ROWS][held : self._held[table]] = new
            place[new] = torch.arange(held, self._held[table], dtype=place.dtype, device=place.device)
        return place[rows]

    def _advance(self, stride: float) -> None:
        """One more step, whose stride is a_s."""
        self._steps += 1
        first = max(0, self._steps - HORIZON)
        missed = torch.arange(self._steps - first, 0, -1, device=self._reach.device)
        self._reach[first:] += stride * DECAY**missed
        self._reach = torch.cat([self._reach, self._reach.new_zeros(1)])

    @torch.no_grad()
    def catch_up(self, table: Tensor, rows: Tensor) -> None:
        """Let rows (any shape, repeated or not) that are about to be read, or updated, take the steps they missed."""
        rows = rows[self._last[table][rows] < self._steps]
        if not len(rows):
            return
        rows = torch.unique(rows)
        state, last, places = self.state[table], self._last[table][rows], self._place[table][rows]
        # Of all rows, whether they have moments or not: a power's last bit depends on its place among the others.
        missed, have = (self._steps - last).unsqueeze(1), places >= 0
        decay, reach = [(beta**missed)[have] for beta in BETAS], self._reach[last[have]].float().unsqueeze(1)
        self._last[table][rows] = self._steps
        rows, places = rows[have], places[have]
        old = [state[name][places] for name in _MOMENTS]
        table.data.index_add_(0, rows, old[0] / (old[1].sqrt() + EPSILON) * reach, alpha=-1.0)
        for name, moment, factor in zip(_MOMENTS, old, decay, strict=True):
            state[name][places] = moment * factor

    def settle(self) -> None:
        """Bring every row of every table up to date, and give back the space that moments do not need."""
        for table in self.tables:
            for rows in torch.split(torch.arange(len(table), device=table.device), CHUNK):
                self.catch_up(table, rows)
            for name in (_ROWS, *_MOMENTS):
                self.state[table][name] = self.state[table][name][: self._held[table]].clone()
        self.restart()

    def close(self) -> None:
        """Settle, and let go of the model's tables."""
        self.settle()
        for owner in self._owners:
            owner.on_read = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state that was settled before it was stored."""
        super().load_state_dict(state_dict)
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        for index, slots in state_dict["state"].items():
            if _ROWS in slots:  # AdamW makes all that it takes of the parameter's type
                self.state[parameters[index]][_ROWS] = slots[_ROWS].to(parameters[index].device)
        self.restart()


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
