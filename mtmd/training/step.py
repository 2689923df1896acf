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
    norm = clip_gradients(model, max_gradient_norm)
    value = float(loss.detach())
    if math.isfinite(value) and math.isfinite(norm):
        optimizer.step()
    return value, norm


def clip_gradients(model: nn.Module, most: float) -> float:
    """Scale all gradients so that their norm is at most `most`; returns the norm before.

    As torch's `clip_grad_norm_`, for sparse gradients too: those are coalesced, so that a row counts once.
    """
    values = []
    for parameter in model.parameters():
        if (gradient := parameter.grad) is None:
            continue
        if gradient.is_sparse:
            parameter.grad = gradient = gradient.coalesce()
            gradient = gradient.values()
        values.append(gradient)
    norm = float(nn.utils.get_total_norm(values, foreach=True))
    if norm > most:
        torch._foreach_mul_(values, most / norm)
    return norm
