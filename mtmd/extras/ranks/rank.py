"""One rank of a training: `python -m mtmd.extras.ranks.rank JOB`, started by torchrun (see `launcher`).

Every rank has the whole model and a part of each batch; together they take the steps of one. A step's gradient is the
sum of the parts' gradients, whose losses are already divided by the whole batch's counts (`TrainingLoss.total`).
Gradients outside the embedding tables are added up as one vector. Of each table, ranks exchange the rows that any of
them read and their gradients; then each rank makes the same update of these rows. docs/extras/ranks.md has the costs.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mtmd.errors import MtmdError
from mtmd.extras.ranks.launcher import Report
from mtmd.model.ranker import choose_device
from mtmd.train.optimizer import RowAdamW
from mtmd.train.results import Progress
from mtmd.train.stage import TrainingJob, run_job
from mtmd.train.step import TrainingLoss
from mtmd.train.trainer import OneRank


class Group(OneRank):
    """The ranks of a training, as one of them sees them; made when torch's process group is."""

    def __init__(self, device: torch.device) -> None:
        self.rank, self.ranks, self.device = dist.get_rank(), dist.get_world_size(), device
        self.on_cpu = dist.new_group(backend="gloo")  # NCCL adds no sparse tensors

    def sum(self, values: Tensor) -> Tensor:
        """The sum over ranks, in place."""
        dist.all_reduce(values)
        return values

    def loss(self, loss: TrainingLoss) -> TrainingLoss:
        """The same, divided by the whole batch's counts."""
        return replace(loss, total=lambda counts: self.sum(counts.detach().double()).float())

    def settle(self, model: nn.Module, optimizer: RowAdamW) -> None:
        """Give weights and moments the first rank's values: powers of moments may differ in a last bit by their place
        in memory.
        """
        for parameter in model.parameters():
            slots = optimizer.state[parameter]
            for tensor in (parameter.data, *(slots[n] for n in ("exp_avg", "exp_avg_sq") if n in slots)):
                dist.broadcast(tensor, src=0)

    def add_gradients(self, model: nn.Module, optimizer: RowAdamW) -> None:
        """Replace all gradients by their sums over ranks.

        A parameter keeps no gradient where no rank has one, as if one rank had the whole batch. Rows of tables that
        another rank read are brought up to date.
        """
        tables = set(optimizer.tables)
        self._add_dense([parameter for parameter in model.parameters() if parameter not in tables])
        for table in optimizer.tables:
            self._add_rows(table, optimizer)

    def _add_dense(self, parameters: Sequence[nn.Parameter]) -> None:
        """One vector of all: whether each parameter has a gradient, and the gradients."""
        given = torch.tensor([float(p.grad is not None) for p in parameters], device=self.device)
        parts = [p.new_zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in parameters]
        summed = self.sum(torch.cat([given, *parts]))
        pieces = torch.split(summed[len(given) :], [parameter.numel() for parameter in parameters])
        for parameter, piece, count in zip(parameters, pieces, summed.tolist(), strict=False):
            parameter.grad = piece.view_as(parameter) if count else None

    def _add_rows(self, table: nn.Parameter, optimizer: RowAdamW) -> None:
        """The union of the rows of a table that ranks read, and the sum of their gradients."""
        own = table.grad
        if own is None:
            rows = torch.empty(1, 0, dtype=torch.long, device=self.device)
            own = torch.sparse_coo_tensor(
                rows, table.new_empty(0, table.shape[1]), table.shape, check_invariants=False
            )
        gradient = own.coalesce().cpu()
        dist.all_reduce(gradient, group=self.on_cpu)
        gradient = gradient.coalesce().to(self.device)
        rows = gradient.indices()[0]
        optimizer.catch_up(table, rows)
        table.grad = gradient if len(rows) else None


def main(file: Path) -> int:
    """Train, and report on standard output; the exit status."""
    Thread(target=_end_with_parent, daemon=True).start()
    rank = int(os.environ["RANK"])

    def say(progress: Progress) -> None:
        _tell(Report(rank=rank, progress=progress))

    try:
        job = TrainingJob.model_validate_json(file.read_text(encoding="utf-8"))
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        device = choose_device(job.plan.preset.training.device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        try:
            run_job(job, say if rank == 0 else None, Group(device))
        finally:
            dist.destroy_process_group()
    except MtmdError as error:
        _tell(Report(rank=rank, failed=str(error), refused=True))
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, the process that started this one says it
        traceback.print_exc()
        _tell(Report(rank=rank, failed=f"{type(error).__name__}: {error}"))
        return 1
    return 0


def _tell(report: Report) -> None:
    sys.stdout.write(report.model_dump_json() + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """End this process when the one that started the ranks has ended: that closes the standard input, unwritten to.

    It is read without Python's buffer, whose lock would be in the way when Python ends.
    """
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
