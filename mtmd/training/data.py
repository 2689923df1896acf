"""What a trainer needs of its data."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from mtmd.batch import Batch


class TrainingData(Protocol):
    """A window of batches; `mtmd.data.WindowData` is one."""

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]: ...

    def validation(self, batch_requests: int) -> Iterator[Batch]: ...

    def newest(self, days: int, batch_requests: int) -> Iterator[Batch]: ...

    def steps(self, batch_requests: int) -> int: ...

    def base_rates(self) -> Tensor: ...
