"""AdamW, and which parameters decay, and how fast each kind learns."""

from torch import nn

from mtmd.config import TrainingConfig
from mtmd.training.row_adamw import RowAdamW

_MATRICES = {"weight", "weights", "down", "up"}  # of linear layers, stacks and crosses
RATE = "rate"  # key of a parameter group: its learning rate as a share of the training's


def make_optimizer(model: nn.Module, config: TrainingConfig) -> RowAdamW:
    """AdamW that decays the weight matrices only; groups carry their share of the learning rate under RATE.

    Biases, norms, gates' offsets and learned defaults have no scale to lose. Embedding rows are left out too:
    most are not in a batch, and decoupled decay would shrink exactly the rare ones, which have no gradient to
    hold against it.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decay = config.weight_decay if _MATRICES & set(name.split(".")[-2:]) else 0.0
        rate = config.embedding_rate if ".tables." in f".{name}" else 1.0
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
