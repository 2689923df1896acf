"""AdamW for models with large embedding tables, and the learning rate of each step.

`make_optimizer` says which parameters decay and how fast each kind learns. `learning_rate_factor` is a linear warm-up,
then a cosine.

`RowAdamW` moves a row of an embedding table when a batch reads it, and not at every step. Adam moves a weight on after
its last gradient, and its moments decay at every step: over the tables that is a pass over every id at every step, of
which a batch reads few. But k steps without a gradient have a closed form,

    m ← β1^k m    v ← β2^k v    w ← w − m / (√v + ε) · Σ_{j=1..k} a_{s+j} (β1/√β2)^j    a_s = lr_s √(1−β2^s) / (1−β1^s)

exact for ε = 0, so a row is brought up to date just before it is read, and all rows by `settle`. Tables have no weight
decay.
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

_MATRICES = {"weight", "weights", "down", "up"}  # of linear layers, stacks and crosses
RATE = "rate"  # key of a parameter group: its learning rate as a share of the training's


class RowAdamW(torch.optim.AdamW):
    """Fused AdamW, but for the embedding tables: their gradients are sparse and their rows wait to be read.

    As long as it is not closed, the model's tables tell it which rows they read. Call `settle` before weights are used
    in another way.
    """

    def __init__(self, groups: list[dict[str, Any]], model: nn.Module, learning_rate: float) -> None:
        super().__init__(groups, lr=learning_rate, betas=BETAS, eps=EPSILON, fused=True)
        self._owners = [module for module in model.modules() if isinstance(module, FieldTables)]
        self._rests = {table: _Rest(len(table)) for owner in self._owners for table in owner.tables}
        for owner in self._owners:
            owner.on_read = self._catch_up

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters outside the tables, and the rows of tables that have a gradient."""
        groups = self.param_groups
        self.param_groups = [
            group | {"params": [p for p in group["params"] if p not in self._rests]} for group in groups
        ]
        try:
            super().step()
        finally:
            self.param_groups = groups
        for group in groups:
            for table in group["params"]:
                if table in self._rests:
                    self._update(table, group["lr"])

    @torch.no_grad()
    def settle(self) -> None:
        """Bring every row of every table up to date."""
        for table, rest in self._rests.items():
            for rows in torch.split(torch.arange(len(table)), CHUNK):
                self._catch_up(table, rows)
            rest.restart()

    def close(self) -> None:
        """Settle, and let go of the model's tables."""
        self.settle()
        for owner in self._owners:
            owner.on_read = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state that was settled before it was stored."""
        super().load_state_dict(state_dict)
        for rest in self._rests.values():
            rest.restart()

    def _update(self, table: Tensor, learning_rate: float) -> None:
        slots, rest = self._slots(table), self._rests[table]
        slots["step"] += 1
        bias = [1.0 - beta ** float(slots["step"]) for beta in BETAS]
        rest.advance(learning_rate * bias[1] ** 0.5 / bias[0])
        if table.grad is None:
            return
        gradient = table.grad.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        m = slots["exp_avg"][rows].lerp_(values, 1.0 - BETAS[0])
        v = slots["exp_avg_sq"][rows].mul_(BETAS[1]).addcmul_(values, values, value=1.0 - BETAS[1])
        slots["exp_avg"][rows], slots["exp_avg_sq"][rows] = m, v
        moved = m.div_(v.div_(bias[1]).sqrt_().add_(EPSILON)).mul_(learning_rate / bias[0])
        table.index_add_(0, rows, moved, alpha=-1.0)
        rest.last[rows] = rest.steps

    @torch.no_grad()
    def _catch_up(self, table: Tensor, rows: Tensor) -> None:
        """Let these rows (any shape, repeated or not) take the steps that they have missed."""
        rest = self._rests[table]
        rows = rows.flatten()
        rows = torch.unique(rows[rest.last[rows] < rest.steps])
        slots, last = self._slots(table), rest.last[rows]
        missed = (rest.steps - last).unsqueeze(1)
        m, v = slots["exp_avg"][rows], slots["exp_avg_sq"][rows]
        table.index_add_(
            0, rows, m / (v.sqrt() + EPSILON) * rest.reach[last].float().unsqueeze(1), alpha=-1.0
        )
        slots["exp_avg"][rows] = m * BETAS[0] ** missed
        slots["exp_avg_sq"][rows] = v * BETAS[1] ** missed
        rest.last[rows] = rest.steps

    def _slots(self, table: Tensor) -> dict[str, Tensor]:
        """The table's moments and step count, under AdamW's own names."""
        slots: dict[str, Tensor] = self.state[table]
        if not slots:
            slots |= {"step": torch.tensor(0.0)}
            slots |= {name: torch.zeros_like(table) for name in ("exp_avg", "exp_avg_sq")}
        return slots


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
    # Fused: one pass over all parameters, with the same bits every time on the same machine.
    return RowAdamW(
        [
            {"params": parameters, "weight_decay": decay, RATE: rate}
            for (decay, rate), parameters in groups.items()
        ],
        model,
        config.learning_rate,
    )


def learning_rate_factor(step: int, steps: int, config: TrainingConfig) -> float:
    """Learning rate of a step, 0 ≤ step < steps, as a share of the peak.

    Linear over `warmup_fraction` of the steps, then half a cosine down to `final_lr_fraction`.
    """
    warmup = math.ceil(config.warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(steps - warmup - 1, 1)
    return config.final_lr_fraction + (1.0 - config.final_lr_fraction) * 0.5 * (
        1.0 + math.cos(math.pi * done)
    )


class _Rest:
    """How long each row of one table has not been moved.

    steps  updates since `restart`           last   (rows,) the update that each row is at
    reach  (steps + 1,) float64: the sum of the formula for a row that is at this update
    """

    def __init__(self, rows: int) -> None:
        self.last = torch.zeros(rows, dtype=torch.long)
        self.restart()

    def restart(self) -> None:
        """All rows are up to date."""
        self.steps = 0
        self.last.zero_()
        self.reach = torch.zeros(1, dtype=torch.float64)

    def advance(self, stride: float) -> None:
        """One more update, whose stride is a_s."""
        self.steps += 1
        first = max(0, self.steps - HORIZON)
        self.reach[first:] += stride * DECAY ** torch.arange(self.steps - first, 0, -1)
        self.reach = torch.cat([self.reach, self.reach.new_zeros(1)])
