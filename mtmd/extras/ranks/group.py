"""What the ranks of a training say to each other, so that together they take the steps of one.

Every rank has the whole model and a part of each batch. A step's gradient is the sum of the parts' gradients, whose
losses are already divided by the whole batch's counts (`TrainingLoss.total`). Gradients outside the embedding tables
are added up as one vector. Of the tables, ranks exchange the rows that any of them read and their gradients; then each
rank makes the same update of these rows. docs/extras/ranks.md has what that costs, and what else there would have been.

Shapes: G parameters outside the tables, n rows of tables of one width w.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mtmd.model.batch import Batch
from mtmd.train.additions import OneRank
from mtmd.train.optimizer import RowAdamW
from mtmd.train.step import Precision, TrainingLoss, autocast, clip_gradients, updated


class Group(OneRank):
    """The ranks of a training, as one of them sees them; made when torch's process group is."""

    def __init__(self, device: torch.device) -> None:
        self.rank, self.ranks, self.device = dist.get_rank(), dist.get_world_size(), device

    def sum(self, values: Tensor) -> Tensor:
        """The sum over ranks, in place."""
        dist.all_reduce(values)
        return values

    def loss(self, loss: TrainingLoss) -> TrainingLoss:
        """The same, divided by the whole batch's counts."""
        return replace(loss, total=self._total)

    def _total(self, counts: Tensor) -> Tensor:
        """The sum over ranks of what losses are divided by, in float32."""
        return self.sum(counts.detach().double()).float()

    def alike(self, number: int) -> bool:
        """Whether all ranks have this number."""
        numbers = torch.tensor([number, -number], device=self.device)
        dist.all_reduce(numbers, op=dist.ReduceOp.MAX)
        return int(numbers[0]) == -int(numbers[1])

    def settle(self, tensors: Iterator[Tensor]) -> None:
        """Give tensors the first rank's values: powers of moments may differ in a last bit by their place in memory."""
        for tensor in tensors:
            dist.broadcast(tensor, src=0)

    def step(
        self,
        model: nn.Module,
        optimizer: RowAdamW,
        batch: Batch,
        loss: TrainingLoss,
        precision: Precision,
        most: float,
    ) -> tuple[float, float, int]:
        """A step from parts of a batch. A rank whose part is empty takes part in every sum, with nothing to add."""
        optimizer.zero_grad(set_to_none=True)
        pairs = len(batch.candidate)
        if pairs:
            with autocast(precision, batch.teacher.device):
                log_p = model(batch)
            own = loss.of_batch(log_p, batch)
            own.backward()  # type: ignore[no-untyped-call]
        else:
            own = self._total(torch.zeros(len(loss.task_weights), device=self.device)).new_zeros(())
        value, count = self.add_gradients(model, optimizer, [own.detach(), pairs])
        norm = clip_gradients(model, most)
        return *updated(optimizer, value, norm), round(count)

    def add_gradients(
        self, model: nn.Module, optimizer: RowAdamW, numbers: Sequence[float | Tensor]
    ) -> list[float]:
        """Replace all gradients by their sums over ranks, and return the sums of some numbers.

        A parameter keeps no gradient where no rank has one, as if one rank had the whole batch. Rows of tables that
        another rank read are brought up to date.
        """
        tables = optimizer.tables
        places = {id(table) for table in tables}
        dense = [parameter for parameter in model.parameters() if id(parameter) not in places]
        found = self._add_dense(dense, numbers)
        for width in sorted({table.shape[1] for table in tables}):
            self._add_rows([table for table in tables if table.shape[1] == width], optimizer)
        return found

    def _add_dense(
        self, parameters: Sequence[nn.Parameter], numbers: Sequence[float | Tensor]
    ) -> list[float]:
        """One vector of all: the numbers, whether each parameter has a gradient, and the gradients."""
        heads = [torch.as_tensor(number, dtype=torch.float32, device=self.device) for number in numbers]
        given = [float(parameter.grad is not None) for parameter in parameters]
        head = torch.cat([torch.stack(heads), torch.tensor(given, device=self.device)])
        parts = [
            parameter.new_zeros(parameter.numel()) if parameter.grad is None else parameter.grad.flatten()
            for parameter in parameters
        ]
        summed = self.sum(torch.cat([head, *parts]))
        values = summed[: len(head)].tolist()
        pieces = torch.split(summed[len(head) :], [parameter.numel() for parameter in parameters])
        for parameter, piece, count in zip(parameters, pieces, values[len(numbers) :], strict=True):
            parameter.grad = piece.view_as(parameter) if count else None
        return values[: len(numbers)]

    def _add_rows(self, tables: Sequence[Tensor], optimizer: RowAdamW) -> None:
        """The union of the rows that ranks read of tables of one width, and the sum of their gradients."""
        width, sizes = tables[0].shape[1], [len(table) for table in tables]
        first = [sum(sizes[:index]) for index in range(len(tables))]
        own = [table.grad.coalesce() if table.grad is not None else None for table in tables]
        rows = [grad.indices()[0] + start for grad, start in zip(own, first, strict=True) if grad is not None]
        values = [grad.values() for grad in own if grad is not None]
        every = torch.empty(0, dtype=torch.long, device=self.device), tables[0].new_empty(0, width)
        rows_of_all, values_of_all = self._gather(
            torch.cat([every[0], *rows]), torch.cat([every[1], *values])
        )
        union = torch.sparse_coo_tensor(
            rows_of_all[None], values_of_all, (sum(sizes), width), check_invariants=False
        ).coalesce()
        found = union.indices()[0]
        ends = torch.searchsorted(found, torch.tensor([*first[1:], sum(sizes)], device=self.device)).tolist()
        start, reads = 0, []
        for table, before, end in zip(tables, first, ends, strict=True):
            read = found[start:end] - before
            reads.append((table, read))
            table.grad = None
            if len(read):
                table.grad = torch.sparse_coo_tensor(
                    read[None],
                    union.values()[start:end],
                    table.shape,
                    is_coalesced=True,
                    check_invariants=False,
                )
            start = end
        optimizer.catch_up(reads)

    def _gather(self, rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (n,) and values (n, w) of all ranks, one rank after the other: the same on each of them."""
        counts = [torch.zeros(1, dtype=torch.long, device=self.device) for _ in range(self.ranks)]
        dist.all_gather(counts, torch.tensor([len(rows)], device=self.device))
        sizes = [int(count) for count in counts]
        most = max(sizes)
        if not most:
            return rows, values
        padded_rows, padded_values = rows.new_zeros(most), values.new_zeros(most, values.shape[1])
        padded_rows[: len(rows)], padded_values[: len(rows)] = rows, values
        all_rows = [torch.empty_like(padded_rows) for _ in range(self.ranks)]
        all_values = [torch.empty_like(padded_values) for _ in range(self.ranks)]
        dist.all_gather(all_rows, padded_rows)
        dist.all_gather(all_values, padded_values)
        return (
            torch.cat([one[:size] for one, size in zip(all_rows, sizes, strict=True)]),
            torch.cat([one[:size] for one, size in zip(all_values, sizes, strict=True)]),
        )
