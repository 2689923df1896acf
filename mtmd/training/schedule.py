"""The learning rate over the steps of a training: a linear warm-up, then a cosine."""

import math

from mtmd.config import TrainingConfig


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
