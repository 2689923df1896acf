"""One update of a model's weights from one batch."""

import math

import torch
from torch import nn

from mtmd.batch import Batch
from mtmd.training.losses import TrainingLoss
from mtmd.training.precision import Precision, autocast


def training_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    loss_of: TrainingLoss,
    precision: Precision,
    max_gradient_norm: float,
) -> tuple[float, float]:
    """Forward, loss, backward, clipping, update: the loss, and the gradient's norm before clipping.

    When the loss or the norm is not finite, the weights are left as they were.
    """
    optimizer.zero_grad(set_to_none=True)
    with autocast(precision):
        log_p = model(batch)
    loss = loss_of(log_p, batch.teacher)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), max_gradient_norm, foreach=True))
    value = float(loss.detach())
    if math.isfinite(value) and math.isfinite(norm):
        optimizer.step()
    return value, norm
