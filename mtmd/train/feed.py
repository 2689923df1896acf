"""Batches on their way to the model: moved to its device, with values dropped at random.

A new ad, or a new user, has no embedding of its own. With `min_count` its value is read as missing; `dropout` teaches
the model what that means, on rows where the value would be known. It also keeps the model from leaning on ids alone.
(Volkovs, Yu and Poutanen, DropoutNet: Addressing Cold Start in Recommender Systems, NeurIPS 2017, drop a row's whole
preference vector; here each feature is dropped by itself.)
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch

from mtmd.config import Declarations, SideSchema
from mtmd.model.batch import Batch, SideInput

AHEAD = 2  # batches that wait for a GPU


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches in their order, on a device; for a GPU a thread gathers and pins them ahead.

    On a CPU they are taken as they come: gathering ahead would take a core from torch.
    """
    if device.type == "cpu":
        yield from batches
        return
    source = iter(batches)
    with ThreadPoolExecutor(1) as thread:

        def pinned() -> Batch | None:
            batch = next(source, None)
            return None if batch is None else _pinned(batch)

        waiting = deque(thread.submit(pinned) for _ in range(AHEAD))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(pinned))
            yield batch.to(device)


def _pinned(batch: Batch) -> Batch:
    return batch.map(torch.Tensor.pin_memory)


def with_dropped_values(
    batches: Iterable[Batch], declarations: Declarations, seed: Sequence[int]
) -> Iterator[Batch]:
    """The batches of an epoch, each value of a feature with `dropout` missing with that probability.

    A request, or an ad, loses a value for all of its pairs in a batch.
    """
    generator = np.random.default_rng(seed)
    for batch in batches:
        query = _dropped(batch.query, declarations.query, generator)
        yield replace(batch, query=query, item=_dropped(batch.item, declarations.item, generator))


def _dropped(side: SideInput, schema: SideSchema, generator: np.random.Generator) -> SideInput:
    shares = {column: feature.dropout for column, feature in enumerate(schema.categorical) if feature.dropout}
    if not shares:
        return side
    categorical = side.categorical.clone()
    for column, share in shares.items():
        lost = torch.as_tensor(generator.random(len(categorical)) < share, device=categorical.device)
        categorical[lost, column] = 0
    return replace(side, categorical=categorical)
