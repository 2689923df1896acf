"""Rank buckets by teacher score inside a slice (paper Table 6); 0 is the top."""

import numpy as np
from numpy.typing import NDArray


def rank_buckets(teacher: NDArray[np.floating], buckets: int) -> NDArray[np.int64]:
    """Bucket of each row of one slice: (N,) scores → (N,) integers in 0..buckets − 1.

    The row of rank r (0 = highest score) falls in bucket ⌊r · buckets / N⌋, so counts differ by at most one.
    Equal scores keep their order in the day's candidates (by request, then ad): the same logs always give the
    same buckets. With fewer rows than buckets some buckets stay empty.
    """
    rows = len(teacher)
    order = np.argsort(-teacher, kind="stable")
    bucket = np.empty(rows, dtype=np.int64)
    bucket[order] = np.arange(rows) * buckets // max(rows, 1)
    return bucket
