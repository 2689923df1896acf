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
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mtmd.config import TrainingConfig
from mtmd.model.fields import FieldTables
from mtmd.train.table_block import BETAS, EPSILON, Read, TableBlock, blocks_of

CHUNK = 2**16  # rows that `settle` takes at a time

_MATRICES = {"weight", "weights", "down", "up"}  # of linear layers, stacks and crosses
RATE = "rate"  # key of a parameter group: its learning rate as a share of the training's


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
