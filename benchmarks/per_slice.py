"""The per-slice baselines trained together, and one after another: `python -m benchmarks.per_slice --as-of 2026-01-25`.

Together is how the daily job trains them: the slices of a domain side by side in batched products, all in one pass over
the window, and rows of tables updated when they are read. One after another is the plain way: a two-tower model of one
slice, torch's own AdamW over all of its parameters, and a pass over the same batches for each. Both see the same rows.
Runs alternate; reported are medians of the time that each batch takes for all slices.
"""

import time
from collections.abc import Sequence
from itertools import islice
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks.runs import window_command
from mtmd.config import Preset
from mtmd.extract.window import WindowData
from mtmd.model.baseline import DomainBaselines, DomainRows
from mtmd.model.batch import Batch
from mtmd.model.build import build_model
from mtmd.model.fields import FieldLayout
from mtmd.report.tables.evaluation import Column, Table
from mtmd.train.optimizer import make_optimizer
from mtmd.train.step import autocast, bernoulli_kl, choose_precision, deterministic

ROUNDS, BATCHES = 3, 3


class OneSlice(nn.Module):
    """The two-tower model of one slice by itself."""

    def __init__(self, preset: Preset, domain: int, task: int) -> None:
        super().__init__()
        declarations = preset.declarations
        products = len(declarations.domains.products)
        query = FieldLayout(declarations.query, domain // products)
        item = FieldLayout(declarations.item, domain % products)
        self.domain, self.task = domain, task
        self.towers = DomainBaselines(query, item, 1, preset.rivals.per_slice, preset.model)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities and teacher scores of the slice's pairs: (pairs, 1) each."""
        pairs = torch.nonzero(batch.pair_domain == self.domain).squeeze(1)
        return self.towers(DomainRows.of(batch, pairs)), batch.teacher[pairs, self.task : self.task + 1]


class Together(nn.Module):
    """All slices at once."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.model = build_model("per_slice", preset)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.model(batch), batch.teacher


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when the logs are wrong."""
    return window_command("per_slice", __doc__, arguments, _table)


def _table(preset: Preset, data: WindowData) -> Table:
    return timing_table(*compare(preset, data), torch.get_num_threads())


def compare(
    preset: Preset, data: WindowData, rounds: int = ROUNDS, batches: int = BATCHES
) -> tuple[float, float]:
    """Seconds for a batch and all slices: together, and one after another."""
    together = Together(preset)
    trainers = [(together, make_optimizer(together, preset.training))]
    slices = zip(*preset.domains.task_mask.nonzero(), strict=True)
    alone = [OneSlice(preset, int(domain), int(task)) for domain, task in slices]
    plain = [(model, torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)) for model in alone]
    found: tuple[list[float], list[float]] = [], []
    with deterministic():
        for epoch in range(rounds + 1):
            for place, group in enumerate((trainers, plain)):
                seconds = sum(
                    _seconds(model, optimizer, data, preset, epoch, batches) for model, optimizer in group
                )
                found[place].append(seconds / batches)
    return median(found[0][1:]), median(found[1][1:])  # the first round warms up


def _seconds(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: WindowData,
    preset: Preset,
    epoch: int,
    batches: int,
) -> float:
    """Seconds of training on the first batches of an epoch, their making included."""
    precision = choose_precision(preset.training)
    model.train()
    started = time.perf_counter()
    for batch in islice(data.epoch(epoch, preset.training.batch_requests), batches):
        optimizer.zero_grad(set_to_none=True)
        with autocast(precision, batch.teacher.device):
            log_p, teacher = model(batch)
        bernoulli_kl(log_p, teacher).mean().backward()
        optimizer.step()
    return time.perf_counter() - started


def timing_table(together: float, alone: float, threads: int) -> Table:
    """Both times and their ratio."""
    columns = (
        Column(name="all slices, together, ms", kind="count"),
        Column(name="one after another, ms", kind="count"),
        Column(name="ratio", kind="text"),
    )
    row = (round(1e3 * together), round(1e3 * alone), f"{alone / together:.2f} ×")
    return Table(
        title=f"A batch through the per-slice baselines, {threads} thread(s)", columns=columns, rows=(row,)
    )


if __name__ == "__main__":
    raise SystemExit(main())
