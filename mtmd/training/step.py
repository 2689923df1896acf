"""One update of a model's weights from one batch."""

import math

import torch
from torch import Tensor, nn

from mtmd.batch import Batch
from mtmd.training.losses import weighted_kl
from mtmd.training.precision import Precision, autocast


def training_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    weights: Tensor,
    precision: Precision,
    max_gradient_norm: float,
) -> tuple[float, float]:
    """Forward, weighted KL, backward, clipping, update: the loss, and the gradient's norm before clipping.

    weights (T,) of the tasks. When the loss or the norm is not finite, the weights are left as they were.
    """
    optimizer.zero_grad(set_to_none=True)
    with autocast(precision):
        log_p = model(batch)
    loss = weighted_kl(log_p, batch.teacher, weights)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), max_gradient_norm, foreach=True))
    value = float(loss.detach())
    if math.isfinite(value) and math.isfinite(norm):
        optimizer.step()
    return value, norm
