"""What a step computes and copies, counted: fails when a structural saving is lost, on any machine."""

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mtmd.config import Preset
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.extract.window import gather_batch, scorable
from mtmd.logs.source import LogSource
from mtmd.model.batch import Batch
from mtmd.model.build import build_model
from mtmd.train.optimizer import make_optimizer
from mtmd.train.step import TrainingLoss
from tests.conftest import FIRST_DAY
from tests.model.random_batches import random_batch

LOSS = TrainingLoss(torch.tensor([2.0, 1.0, 1.0]), 0.5, torch.tensor([0.1, 0.05, 0.05]))


class Counted(TorchDispatchMode):
    """The kernels that run, and the bytes of what they return."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls[func.overloadpacket.__name__] += 1
        views = func._schema.returns and func._schema.returns[0].alias_info is not None
        if isinstance(result, Tensor) and not views:
            self.bytes += result.nbytes
        return result


def crowded(batch: Batch, times: int) -> Batch:
    """The same requests and ads, `times` as many candidates of each."""
    repeated = {
        name: torch.cat([getattr(batch, name)] * times)
        for name in ("pair_query", "pair_item", "pair_domain", "teacher", "candidate")
    }
    return replace(batch, **repeated)


def test_a_step_touches_the_table_rows_that_its_batch_reads(tiny_preset: Preset) -> None:
    model = build_model("mtmd", tiny_preset).train()
    optimizer = make_optimizer(model, tiny_preset.training)
    batch = random_batch(tiny_preset.declarations)
    LOSS(model(batch), batch.teacher).backward()  # type: ignore[no-untyped-call]
    read = batch.query.categorical.numel() + batch.item.categorical.numel()
    tables = [p for name, p in model.named_parameters() if ".tables." in name]
    assert sum(len(table.grad.coalesce().values()) for table in tables if table.grad is not None) <= read
    assert sum(map(len, tables)) > 2 * read
    optimizer.close()


def test_a_batch_is_copied_once_from_the_mapped_shard(
    tiny_logs: Path, tiny_preset: Preset, tmp_path: Path
) -> None:
    day: date = FIRST_DAY
    declarations = tiny_preset.declarations
    shard = open_shard(Path(extract_day(LogSource(tiny_logs), day, declarations, tmp_path).path))
    rows = scorable(shard)[:40]
    with Counted() as counted:
        batch = gather_batch(shard, rows, declarations)
    held = [
        getattr(side, name)
        for side in (batch.query, batch.item)
        for name in ("continuous", "categorical", "embedding")
    ]
    held += [batch.pair_query, batch.pair_item, batch.pair_domain, batch.teacher, batch.candidate]
    # int32 ids become int64, and links between rows are made on the way.
    assert counted.bytes < 3 * sum(tensor.nbytes for tensor in held)
