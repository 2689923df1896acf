"""What every model in this package offers, how it is made, and its scores: logits to probabilities along the task tree.

Models are made and stored on the CPU, from the same random numbers whatever the device, and moved. Scores are in log
space and always in float32 (paper §2.3).

Shapes: P pairs, T tasks, K embedding width, R requests, A ads.
"""

import importlib
import os
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.config import Declarations, Preset
from mtmd.config.model import ModelSettings
from mtmd.errors import ConfigError
from mtmd.model.batch import Batch, SideInput

LN_2 = 0.6931471805599453
SMALLEST = 1e-30  # log(1 − e^x) has no finite value at x = 0, where float32 puts every logit above ~88
CHUNK = 512  # pairs, on a CPU
DEVICE_CHUNK = 2**16  # pairs elsewhere, where calls cost more than memory
RATE_FLOOR = 1e-6  # base rates of 0 and 1 have no finite logit


class RankingModel(nn.Module):
    """A model of all tasks in all domains: a batch of P pairs in, (P, T) natural-log probabilities out.

    parents  of each task, the task that its logit is conditional on; None where it is log-odds itself
    """

    parents: Sequence[int | None]
    query: nn.Module
    item: nn.Module

    def forward(self, batch: Batch) -> Tensor:
        """(P, T) float32 log P(task | impression); finite but meaningless where a task does not exist."""
        raise NotImplementedError

    def initialise_bias(self, base_rates: Tensor) -> None:
        """Start from the mean rates: (|domains|, T) mean teacher scores, NaN where there are none."""
        raise NotImplementedError

    def observe(self, batch: Batch) -> None:
        """Take in a batch of the window before training, for statistics of numbers and counts of values."""
        self.query.observe(batch.query, batch.requests_once())  # type: ignore[operator]
        self.item.observe(batch.item, batch.candidates_of_ads())  # type: ignore[operator]


class TwoTower(RankingModel):
    """A model that may go live: a logit is the dot product of two embeddings of the same width, K_t of task t.

    widths  K_t of each task
    Modules for export are in evaluation mode. They get the matrices of N rows, as in SideInput, then of each
    multi-valued feature its ids (N, L) with 0 behind the last one; and return T tensors (N, K_t). What two domains of a
    tower differ by is in their tensors, whose names and shapes are the same; those of tables may differ in rows.
    """

    widths: Sequence[int]

    def embed_queries(self, side: SideInput) -> tuple[Tensor, ...]:
        """Rows of requests, sorted by surface → per task (R, K_t)"""
        raise NotImplementedError

    def embed_items(self, side: SideInput) -> tuple[Tensor, ...]:
        """Rows of ads, sorted by product → per task (A, K_t)"""
        raise NotImplementedError

    def query_module(self, surface: int) -> nn.Module:
        """What embeds requests of one surface, for export."""
        raise NotImplementedError

    def item_module(self, product: int) -> nn.Module:
        """What embeds ads of one product, for export."""
        raise NotImplementedError


def build_model(kind: str, preset: Preset) -> RankingModel:
    """A new model with weights drawn from the preset's training seed; the global generator is left alone.

    kind  the candidate's architecture, or a rival's name
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(preset.training.seed)
        return make_network(preset.declarations, preset.model_of(kind))


def make_network(declarations: Declarations, settings: ModelSettings) -> RankingModel:
    """A network of an architecture, with weights drawn from the global generator."""
    network = importlib.import_module(f"mtmd.model.{settings.architecture}.network").Network
    model: RankingModel = network(declarations, settings)
    return model


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device that `training.device` means; `auto` is a GPU where torch finds one, and the CPU elsewhere.

    Of several GPUs, a rank of a training takes the one that its number has (LOCAL_RANK), anyone else the first.
    Raises ConfigError where a GPU is wanted and there is none.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ConfigError(
            'training.device ("cuda") needs a GPU that torch can use, and torch.cuda.is_available() is false here '
            f'(torch {torch.__version__}); set training.device = "auto" or "cpu", or install a build of torch for CUDA '
            "and its driver"
        )
    if wanted == "cpu" or not available:
        return torch.device("cpu")
    # cuBLAS reads it when it starts; without it, torch refuses its products in deterministic trainings.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are; the CPU for one that has none."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def tree_log_probability(logits: Tensor, parents: Sequence[int | None]) -> Tensor:
    """log P(task) = logsigmoid(logit of task) + log P(parent); a root has no parent (paper §2.3).

    logits (P, T), where logit t belongs to P(task t | its parent); parents[t] < t. Returns (P, T) float32,
    under autocast too.
    """
    with torch.autocast(logits.device.type, enabled=False):
        conditional = F.logsigmoid(logits.float()).unbind(-1)
        joint: list[Tensor] = []
        for given, parent in zip(conditional, parents, strict=True):
            joint.append(given if parent is None else given + joint[parent])
        return torch.stack(joint, dim=-1)


def log1mexp(x: Tensor) -> Tensor:
    """log(1 − e^x) for x ≤ 0: the log-probability of the complement, with finite values and gradients.

    Uses log(−expm1(x)) above −ln 2 and log1p(−e^x) below, which keeps full relative precision on both ends.
    """
    x = x.clamp(max=-SMALLEST)
    near = x > -LN_2
    # Each branch sees only arguments it is safe for, so that the branch not taken gives no NaN gradient.
    above = torch.log(-torch.expm1(torch.where(near, x, -LN_2)))
    below = torch.log1p(-torch.exp(torch.where(near, -LN_2, x)))
    return torch.where(near, above, below)


def conditional_logits(base_rates: Tensor, parents: Sequence[int | None]) -> Tensor:
    """Logit of each task's mean rate given its parent: (|domains|, T) to the same, NaN stays NaN."""
    rates = base_rates.double()
    given = torch.stack(
        [rates[:, t] if p is None else rates[:, t] / rates[:, p] for t, p in enumerate(parents)], dim=1
    )
    # Above 1 where the task learns from shown ads and its parent from all: what they have in common is not known.
    given = given.masked_fill(given > 1.0, 0.5)
    return torch.logit(given.clamp(RATE_FLOOR, 1 - RATE_FLOOR)).float()


def without_gaps(logits: Tensor) -> Tensor:
    """(n, T) logits in which one without a rate is the mean of its task's others, and 0 where a task has none."""
    return torch.where(logits.isnan(), logits.nanmean(dim=0), logits).nan_to_num(nan=0.0)


def pair_logits(
    query: Tensor, item: Tensor, pair_query: Tensor, pair_item: Tensor, widths: Sequence[int]
) -> Tensor:
    """Dot products of the embeddings of each pair, task by task, in float32.

    query (R, sum of widths) and item (A, sum of widths) hold the tasks' embeddings side by side; the result
    is (P, T).
    """
    with torch.autocast(query.device.type, enabled=False):
        return cast(
            Tensor,
            _PairDots.apply(query.float(), item.float(), (pair_query, pair_item), list(widths)),  # type: ignore[no-untyped-call]
        )


class _PairDots(torch.autograd.Function):
    """The dot products in chunks of pairs that stay in cache: 4 times as fast as one gather of all pairs."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, item: Tensor, pairs: tuple[Tensor, Tensor], widths: list[int]
    ) -> Tensor:
        ctx.save_for_backward(query, item, *pairs)
        ctx.widths = widths
        chunks = [query.new_empty(0, len(widths))]
        for q, i in zip(*(torch.split(rows, _chunk(rows)) for rows in pairs), strict=True):
            product = query.index_select(0, q).mul_(item.index_select(0, i))
            chunks.append(torch.stack([part.sum(dim=1) for part in torch.split(product, widths, 1)], dim=1))
        return torch.cat(chunks)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, item, pair_query, pair_item = ctx.saved_tensors
        into_query, into_item = torch.zeros_like(query), torch.zeros_like(item)
        size = _chunk(pair_query)
        chunks = (torch.split(t, size) for t in (pair_query, pair_item, gradients[0]))
        for q, i, gradient in zip(*chunks, strict=True):
            spread = torch.cat(
                [gradient[:, t : t + 1].expand(-1, width) for t, width in enumerate(ctx.widths)], dim=1
            )
            into_query.index_add_(0, q, item.index_select(0, i).mul_(spread))
            into_item.index_add_(0, i, query.index_select(0, q).mul_(spread))
        return into_query, into_item, None, None


def _chunk(rows: Tensor) -> int:
    return CHUNK if rows.device.type == "cpu" else DEVICE_CHUNK
