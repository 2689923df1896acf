"""One update of a model's weights from one batch: the loss, its precision, and deterministic kernels.

The loss is Bernoulli KL(teacher ‖ student) of each task, masked and weighted (paper §2.3). Deviation (`score_power`):
pairs may be weighted by their score (docs/lab/tuning.md has what it is worth). Of a task that learns from actions the
teacher is what happened, 1 or 0, so KL is log loss. Where its parent learns from actions too, it is that of P(task |
parent) in the pairs in which the parent happened, and 0 in other shown ones: both losses are of one likelihood.

Shapes: P pairs, T tasks.
"""

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from mtmd.config import Task, TrainingConfig
from mtmd.model.batch import Batch
from mtmd.model.ranker import choose_device, log1mexp

Precision = Literal["float32", "bfloat16"]

_MALLOC = {-1: 2**31 - 1, -3: 2**25}  # the most that glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD may be
MOST = 1e3  # largest (s / p̂): a pair with a thousandth of the usual score counts no more than that


@dataclass(frozen=True)
class TrainingLoss:
    """Σ_t w_t · (weighted mean over pairs of KL · (s_t / p̂)^power) / Σ_t w_t.

    A pair's KL grows with its probability, so at power 0, the paper's loss, pairs and domains with high scores decide
    nearly alone; at 1 equal relative errors cost about the same everywhere. The divisor is the model's own score, taken
    as a constant: it depends on the pair's features only, so the best prediction stays the teacher's mean.

    task_weights  (T,) w        scale  (T,) s, a typical score of each task; it only sets the size of the loss
    from_actions  (T,) which tasks learn from actions: their pairs count alike at any power
    given         of each task the parent that its loss is conditional on; None, or empty for all, where it is not
    total         of the divisors (T,) of all ranks' parts of a batch: the losses of the parts add up to the batch's
    """

    task_weights: Tensor
    power: float
    scale: Tensor
    from_actions: Tensor = field(default_factory=lambda: torch.tensor(False))
    given: Sequence[int | None] = ()
    total: Callable[[Tensor], Tensor] | None = None

    @classmethod
    def of(
        cls,
        config: TrainingConfig,
        tasks: Sequence[Task],
        base_rates: Tensor,
        parents: Sequence[int | None] = (),
    ) -> "TrainingLoss":
        """The configured loss of a model with these parents; base_rates (|domains|, T), NaN where a domain lacks it."""
        device = base_rates.device
        weights = torch.tensor(config.task_weights([task.name for task in tasks]), device=device)
        acts = [task.from_actions for task in tasks]
        given = [
            parent if parent is not None and own and acts[parent] else None
            for own, parent in zip(acts, parents, strict=False)
        ]
        scale = base_rates.nanmean(dim=0).float()
        return cls(weights, config.score_power, scale, torch.tensor(acts, device=device), given)

    def __call__(self, log_p: Tensor, teacher: Tensor) -> Tensor:
        """The loss of a batch: log_p and teacher (P, T)."""
        log_p, known = self.conditional(log_p, teacher)
        rows = bernoulli_kl(log_p, known)
        if self.power > 0.0:
            ratio = (self.scale.log() - log_p.detach()).clamp(max=math.log(MOST))  # ln (s / p̂)
            rows = rows * ratio.mul(self.power).exp().masked_fill(self.from_actions, 1.0)
        sums, counts = task_sums(rows, teacher)
        return self.mean(sums, counts if self.total is None else self.total(counts))

    def conditional(self, log_p: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        """What is compared, (P, T) each: of a task that is `given` its parent, what is conditional on that."""
        if all(parent is None for parent in self.given):
            return log_p, teacher
        own, known = list(log_p.unbind(dim=1)), list(teacher.unbind(dim=1))
        for t, parent in enumerate(self.given):
            if parent is not None:
                own[t] = log_p[:, t] - log_p[:, parent]
                known[t] = teacher[:, t].where(teacher[:, parent] == 1.0, torch.nan)
        return torch.stack(own, dim=1), torch.stack(known, dim=1)

    def mean(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Σ_t w_t sums_t / counts_t / Σ_t w_t, from sums over the pairs that have each task: (T,) each."""
        weights = self.task_weights.to(sums.dtype)
        return (weights * sums / counts.where(counts > 0, 1)).sum() / weights.sum()


def bernoulli_kl(log_p: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher ‖ student) of each pair and task, nats: (P, T), 0 where the teacher is NaN.

    KL = t·(ln t − ln p) + (1 − t)·(ln(1 − t) − ln(1 − p)), from ln p, so that a small p keeps its precision.
    The teacher's entropy is part of it, so a perfect student scores 0. At least float32, whatever comes in.
    """
    known = ~teacher.isnan()
    dtype = torch.promote_types(log_p.dtype, torch.float32)
    t = torch.where(known, teacher, 0.5).to(dtype)
    p = torch.where(known, log_p, -1.0).to(dtype)  # masked before log1mexp: NaN · 0 is NaN in its gradient
    entropy = torch.xlogy(t, t) + torch.xlogy(1.0 - t, 1.0 - t)
    cross = t * p + (1.0 - t) * log1mexp(p)
    return torch.where(known, entropy - cross, 0.0)


def task_sums(values: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over the pairs that have the task, and their count: (T,) each."""
    known = ~teacher.isnan()
    return torch.where(known, values, 0.0).sum(dim=0), known.sum(dim=0)


def training_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    loss_of: TrainingLoss,
    precision: Precision,
    max_gradient_norm: float,
    add_gradients: Callable[[], None] | None = None,
) -> tuple[float, float]:
    """Forward, loss, backward, clipping, update: the batch's unweighted loss, and the gradient's norm before clipping.

    `add_gradients` adds those of the other ranks' parts of the batch. When the loss or the norm is not finite, the
    weights are left as they were.
    """
    optimizer.zero_grad(set_to_none=True)
    with autocast(precision, batch.teacher.device):
        log_p = model(batch)
    loss = loss_of(log_p, batch.teacher)
    if loss.requires_grad:  # no parameter is read where a rank's part of a batch is empty
        (loss * batch.weight).backward()  # type: ignore[no-untyped-call]
    if add_gradients is not None:
        add_gradients()
    value, norm = float(loss.detach()), clip_gradients(model, max_gradient_norm)
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


@contextmanager
def deterministic() -> Iterator[None]:
    """Refuse kernels whose results vary from run to run; the caller's setting comes back.

    Torch would also fill new tensors with NaN, which costs a pass over each and is left out.
    """
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def keep_freed_memory() -> None:
    """Let this process keep what it frees: to return it to the system between steps took 8 % of MTMD's time."""
    with suppress(AttributeError):  # another C library than glibc
        for setting, value in _MALLOC.items():
            ctypes.CDLL(None).mallopt(setting, value)


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context that a forward pass on a device runs in."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def choose_precision(config: TrainingConfig) -> Precision:
    """The configured precision; `auto` is bfloat16 on devices that multiply it natively.

    Raises ConfigError where the configured device is not there.
    """
    if config.precision != "auto":
        return config.precision
    if choose_device(config.device).type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = multiplies_bfloat16()
    return "bfloat16" if fast else "float32"


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor has matrix or vector instructions for it, by Linux's list of its flags."""
    try:
        flags = cpuinfo.read_text(encoding="utf-8").split()
    except OSError:  # not Linux: nobody says, and float32 is always right
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
