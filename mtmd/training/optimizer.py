"""AdamW, and which parameters decay."""

import torch
from torch import nn

from mtmd.config import TrainingConfig

_MATRICES = {"weight", "weights", "down", "up"}  # of linear layers, stacks and crosses


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW that decays the weight matrices only.

    Biases, norms, gates' offsets and learned defaults have no scale to lose. Embedding rows are left out too:
    most are not in a batch, and decoupled decay would shrink exactly the rare ones, which have no gradient to
    hold against it.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (matrices if _MATRICES & set(name.split(".")[-2:]) else others).append(parameter)
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    # Fused: one pass over all parameters, with the same bits every time on the same machine.
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
