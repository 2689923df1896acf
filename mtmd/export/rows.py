"""Rows of one tower domain in the two forms that parity compares: for onnxruntime and for torch."""

import numpy as np
import torch
from numpy.typing import NDArray

from mtmd.batch import SideInput
from mtmd.config import SideSchema
from mtmd.data import Matrices
from mtmd.encoding import EncodedSide


def take(matrices: Matrices, rows: NDArray[np.int64]) -> EncodedSide:
    """Some rows of a shard's side, as serving encodes them."""
    index = torch.from_numpy(rows)
    return EncodedSide(
        matrices.continuous.index_select(0, index).numpy(),
        matrices.categorical.index_select(0, index).numpy(),
        matrices.embedding.index_select(0, index).numpy(),
    )


def stack(*sides: EncodedSide) -> EncodedSide:
    """The rows of several, one after the other."""
    return EncodedSide(
        np.concatenate([side.continuous for side in sides]),
        np.concatenate([side.categorical for side in sides]),
        np.concatenate([side.embedding for side in sides]),
    )


def side_input(side: EncodedSide, domain: int, domains: int) -> SideInput:
    """All rows as rows of one domain, for a torch model."""
    rows = len(side.categorical)
    return SideInput(
        continuous=torch.from_numpy(side.continuous),
        categorical=torch.from_numpy(side.categorical.astype(np.int64)),
        embedding=torch.from_numpy(side.embedding),
        counts=tuple(rows if index == domain else 0 for index in range(domains)),
    )


def hard_rows(schema: SideSchema, unseen: int) -> EncodedSide:
    """What no shard is sure to have: one row with everything missing, and `unseen` rows of unseen ids.

    Ids run through each feature's buckets from the last one down, at a stride that differs per feature: most
    were never trained, and both ends of every table are read. Numbers of those rows are missing or far out.
    """
    rows = 1 + unseen
    side = EncodedSide.empty(rows, schema)
    side.continuous[:], side.embedding[:] = np.nan, np.nan
    side.categorical[:] = 0
    step = np.arange(unseen)
    for column, feature in enumerate(schema.categorical):
        buckets = feature.buckets or 1
        side.categorical[1:, column] = buckets - (step * (1 + buckets // max(unseen, 1))) % buckets
    side.continuous[1:] = np.where(step % 2, 1e6, -1e6)[:, None]
    side.embedding[1 + unseen // 2 :] = 1.0
    return side
