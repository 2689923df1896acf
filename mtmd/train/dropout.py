"""Values taken from training rows at random, so that what is learned for a missing value serves new values too.

A new ad, or a new user, has no embedding of its own. With `min_count` its value is read as missing; `dropout` teaches
the model what that means, on rows where the value would be known. It also keeps the model from leaning on ids alone.
(Volkovs, Yu and Poutanen, DropoutNet: Addressing Cold Start in Recommender Systems, NeurIPS 2017, drop a row's whole
preference vector; here each feature is dropped by itself.)
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mtmd.config import Declarations, SideSchema
from mtmd.model.batch import Batch, SideInput


def with_dropped_values(
    batches: Iterable[Batch], declarations: Declarations, seed: int, epoch: int
) -> Iterator[Batch]:
    """The batches of an epoch, each value of a feature with `dropout` missing with that probability.

    A request, or an ad, loses a value for all of its pairs in a batch. Seed and epoch decide which; ranks that have
    parts of a batch agree on it.
    """
    generator = np.random.default_rng([seed, epoch, 1])  # another stream than the order of the rows
    for batch in batches:
        part = batch.part
        yield replace(
            batch,
            query=_dropped(
                batch.query,
                declarations.query,
                generator,
                None if part is None else (part.query, part.queries),
            ),
            item=_dropped(
                batch.item, declarations.item, generator, None if part is None else (part.item, part.items)
            ),
        )


def _dropped(
    side: SideInput, schema: SideSchema, generator: np.random.Generator, part: tuple[Tensor, int] | None
) -> SideInput:
    """part: places of the side's rows in the whole batch, and how many rows that has; None where it is the whole."""
    shares = [
        (column, feature.dropout) for column, feature in enumerate(schema.categorical) if feature.dropout
    ]
    if not shares:
        return side
    categorical = side.categorical.clone()
    for column, share in shares:
        rows = len(categorical) if part is None else part[1]
        lost = torch.as_tensor(generator.random(rows) < share, device=categorical.device)
        categorical[lost if part is None else lost[part[0]], column] = 0
    return replace(side, categorical=categorical)
